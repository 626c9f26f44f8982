"Token images, their scores and the widget, on a small untrained model: what holds for any weights"
import warnings
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close
from tok1d.config import load_config
from tok1d.eval.reconstruction import check_count, evaluate, psnr, reconstruct
from tok1d.explore.parts import send_file
from tok1d.explore.show import curve_figure, figure_png, ids_html, stats_html, token_strip
from tok1d.explore.show import view_pictures
from tok1d.explore.tokens import TokenImage, curve_counts, explore_tokens, token_curve
from tok1d.explore.widgets import TokenExplorer
from tok1d.models.titok import TiTok

@pytest.fixture(scope='module', params=['titok_tiny_vq', 'titok_tiny_vae'])
def model(request):
    torch.manual_seed(0)
    return TiTok(load_config(request.param)).eval()

@pytest.fixture
def photo():
    "A picture wider than high, in colours that differ everywhere"
    y, x = np.mgrid[:90, :120]
    return Image.fromarray(np.stack([x*2, y*2, x+y], -1).astype(np.uint8))

def as_file(im, fmt, **kw):
    f = BytesIO()
    im.save(f, fmt, **kw)
    return f.getvalue()

def count_calls(monkeypatch, model, name):
    "A list that grows with each call of a method"
    calls, f = [], getattr(model, name)
    def counted(x, **kw):
        calls.append(tuple(x.shape))
        return f(x, **kw)
    monkeypatch.setattr(model, name, counted, raising=False)
    return calls

def test_any_image_goes_in(model, photo):
    "Every form of one image gives the same tokens; every other kind of image gives some"
    tokens = TokenImage.from_image(model, photo).tokens
    for same in (as_file(photo,
                         'PNG'), BytesIO(as_file(photo,
                                                 'BMP')), np.asarray(photo), photo.convert('RGBA')):
        assert_close(TokenImage.from_image(model, same).tokens, tokens)
    others = [photo.convert(m) for m in ('L', 'P', 'CMYK', '1', 'LA', 'I', 'F')
              ] + [photo.resize((1, 1)), photo.resize((500, 3))]
    for other in others: assert TokenImage.from_image(model, other).tokens.shape == tokens.shape

@pytest.mark.parametrize('bad', [b'', b'\x89PNG\r\n\x1a\n', '/nowhere/a.png', 3, None])
def test_what_is_no_image_is_refused(model, bad):
    with pytest.raises(ValueError): explore_tokens(model, bad, 3)

@pytest.mark.parametrize('k', [0, -1, 33, 2.5, '3', True, float('nan'), float('inf'), [3]])
def test_impossible_counts_are_refused(model, photo, k):
    for f in (lambda: explore_tokens(model, photo, k),
              lambda: reconstruct(model, torch.rand(1, 3, 64, 64), k),
              lambda: check_count(model, k)):
        with pytest.raises(ValueError, match='from 1 to 32'): f()

def test_views_agree_with_scores(model, photo):
    "One truth: a view, a curve, an evaluation and a plain decode say the same of each count"
    ti = TokenImage.from_image(model, photo)
    x, ks = ti.image[None], (1, 7, 32)
    curve, rows = token_curve(model, x, ks), evaluate(model, x, ks)
    for i, k in enumerate(ks):
        view = explore_tokens(model, ti, k)
        y = model.decode(model.encode(x).tokens[:, :k]).detach().clamp(0, 1)
        assert_close(view.reconstruction, y[0], atol=1e-5, rtol=0)
        for db in (curve.psnr[i, 0].item(), rows[i].psnr, psnr(y, x).item()):
            assert db == pytest.approx(view.psnr, abs=1e-3)
        assert view.bits == rows[i].bits == curve.bits[i] == k*model.bits_per_token

def test_a_token_image_never_changes(model, photo):
    ti = TokenImage.from_image(model, photo)
    image, tokens = ti.image.clone(), ti.tokens.clone()
    ti.keep(3).keep(2).decode()
    view_pictures(explore_tokens(model, ti, 5))
    assert_close(ti.image, image)
    assert_close(ti.tokens, tokens)
    with pytest.raises(ValueError, match='of 3'): ti.keep(3).keep(4)

def test_measuring_leaves_the_model_as_it_was(model, photo):
    "A model lent in training mode comes back in it, unchanged, even if the measurement fails"
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.train()
    try:
        a, b = (explore_tokens(model, photo, 4).reconstruction for _ in range(2))
        with pytest.raises(ValueError): evaluate(model, torch.rand(1, 3, 32, 32))
        assert model.training
        assert_close(a, b)
    finally: model.eval()
    assert_close(dict(model.state_dict()), before)

def test_words_and_pictures(model, photo):
    view = explore_tokens(model, photo, 3)
    assert '3 of 32' in stats_html(view)
    assert ids_html(view).count('<span') == 32
    assert (view.ids is None) == model.is_vae
    assert [p.size for p in view_pictures(view, 128)] == [(128, 128)]*3
    assert token_strip(model, torch.rand(2, 3, 64, 64), (1, 32)).width >= 3*64
    assert figure_png(curve_figure(token_curve(model, torch.rand(2, 3, 64, 64), [1, 32]),
                                   view)).startswith(b'\x89PNG')

def test_curve_counts_always_end_at_all():
    for n in (1, 2, 3, 32, 64, 128, 257):
        assert curve_counts(n)[0] == 1 and curve_counts(n)[-1] == n

def test_evaluate_takes_batches_of_any_size(model):
    "An average over images, whatever the batches"
    x = torch.rand(5, 3, 64, 64)
    whole = evaluate(model, x, (1, 32))
    for same in ([x[:1], x[1:]], iter([dict(image=x[:4]), dict(image=x[4:])])):
        for a, b in zip(evaluate(model, same, (1, 32)), whole):
            assert a.images == b.images == 5 and a.psnr == pytest.approx(
                b.psnr, abs=1e-4) and a.ssim == pytest.approx(b.ssim, abs=1e-4)

def test_half_precision_is_compared_in_float32(model, photo):
    half = TiTok(model.config).eval()
    half.load_state_dict(model.state_dict())
    view = explore_tokens(half.to(torch.bfloat16), photo, 8)
    assert view.reconstruction.dtype == torch.float32 and np.isfinite(view.psnr)

def test_models_that_cannot_be_shown_say_so(photo):
    rigid = load_config('titok_tiny_vq', ['model.vq_model.elastic=false'])
    with pytest.warns(UserWarning, match='elastic'): explore_tokens(TiTok(rigid).eval(), photo, 4)
    stage1 = load_config('titok_tiny_stage1')
    with pytest.raises(ValueError, match='attach_pixel_tokenizer'):
        explore_tokens(TiTok(stage1).eval(), photo)

def test_slider_decodes_only(model, photo, monkeypatch):
    "A move of the slider costs one decode of the kept tokens"
    explorer = TokenExplorer(model, dict(photo=photo)).settled()
    encoded, decoded = (count_calls(monkeypatch, model, f) for f in ('encode', 'decode'))
    before = explorer.reconstruction.value
    explorer.slider.value = 20
    assert explorer.view.k == 20 and explorer.reconstruction.value != before
    assert not encoded and [s[1] for s in decoded] == [20]
    explorer.close()

def test_widget_takes_uploads(model, photo):
    explorer = TokenExplorer(model, dict(photo=photo), k=99).settled()
    assert explorer.slider.value == explorer.slider.max == 32
    def upload(name, content):
        send_file(explorer.upload, name, content)
        assert explorer.settled().upload.value == ()
    shown = explorer.original.value
    upload('<img src=x>.png', b'broken')
    assert explorer.original.value == shown
    assert '<img' not in explorer.message.value and '&lt;img' in explorer.message.value
    # the same name twice: the newer file counts
    for turned in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180):
        upload('mine.jpg', as_file(photo.transpose(turned), 'JPEG', quality=95))
        assert explorer.picker.value == 'mine.jpg' and explorer.message.value == ''
        assert explorer.original.value != shown
        shown = explorer.original.value
    assert [*explorer.picker.options] == ['photo', 'mine.jpg']
    explorer.close()

def test_warnings_stay_quiet(model, photo):
    "An elastic model is looked at without a word of warning"
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        explore_tokens(model, photo, 4)
