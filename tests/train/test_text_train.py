"""A text-aware tokenizer, a text tower and both kinds of MaskGen train from the command

And a killed run equals one that never was.
"""
import json
import pytest
from tiny_tokens import tokenizer
from tiny_runs import STEPS, arguments, finish, kill_when, pictures, same_run

WORDS = 'red green blue pale dark big small hat cat robot face sky'.split()

@pytest.fixture(scope='module')
def captioned(tmp_path_factory):
    "Pictures with captions, and a text tower with random weights"
    import torch
    from tok1d.models.clip import build_tower
    from tok1d.models.text import TextEncoder
    from tok1d.models.vocabulary import Vocabulary
    base = tmp_path_factory.mktemp('text')
    data = pictures(base/'data')
    for i, f in enumerate(sorted(data.glob('*.png'))):
        f.with_suffix('.txt').write_text(f'a {WORDS[i%7]} {WORDS[7+i%5]}')
    torch.manual_seed(0)
    words = Vocabulary.build([f.read_text() for f in data.glob('*.txt')])
    cfg = dict(embed_dim=16, text_cfg=dict(context_length=8, vocab_size=len(words), width=16,
                                           heads=2, layers=2))
    TextEncoder(build_tower(cfg), words, cfg).save(base/'tower')
    for kind in ('vq', 'vae'): tokenizer(base/kind, kind=kind)
    return data, base

def tatitok(data, out, tower):
    more = [
        'dataset.params.dataset_with_text_label=true', f'model.vq_model.text_encoder={tower}',
        'model.vq_model.text_context_length=8', 'model.vq_model.text_embed_dim=16',
        f'dataset.params.eval_shards_path_or_url={data}', 'experiment.eval_every=14',
        'experiment.generate_every=14']
    return arguments(data, out, *more)

def tower(data, out):
    return [
        'config=text_tower_tiny', f'experiment.output_dir={out}',
        f'dataset.params.train_shards_path_or_url={data}',
        f'dataset.params.eval_shards_path_or_url={data}', 'dataset.params.mixture_weights=null',
        'dataset.preprocessing.crop_size=16', 'dataset.preprocessing.resize_shorter_edge=16',
        'model.text_tower.width=32', 'model.text_tower.layers=2', 'model.text_tower.embed_dim=16',
        'model.text_tower.vit_model_size=64x2x2',
        f'training.max_train_steps={STEPS}', 'experiment.save_every=3', 'experiment.log_every=2',
        'experiment.eval_every=14', 'training.per_gpu_batch_size=4',
        'lr_scheduler.params.warmup_steps=2', 'lr_scheduler.params.decay_steps=4',
        'training.mixed_precision=no', 'experiment.log_grad_norm_every=2']

def maskgen(data, out, kind, base):
    return [
        f'config=maskgen_{kind}_tiny', f'experiment.output_dir={out}',
        f'dataset.params.train_shards_path_or_url={data}',
        f'dataset.params.eval_shards_path_or_url={data}',
        f'experiment.tokenizer_checkpoint={base/("vae" if kind=="kl" else "vq")}',
        f'model.vq_model.text_encoder={base/"tower"}', 'model.vq_model.text_context_length=8',
        'model.vq_model.text_embed_dim=16', 'model.vq_model.num_latent_tokens=4',
        *(['model.vq_model.token_size=4'] if kind=='kl' else ['model.vq_model.codebook_size=32']),
        'model.maskgen.decoder_embed_dim=32', 'model.maskgen.decoder_depth=2',
        'model.maskgen.decoder_num_heads=2', 'model.maskgen.num_iter=2', 'losses.diffloss_w=32',
        'losses.diffloss_d=1', 'losses.num_sampling_steps="4"',
        'dataset.preprocessing.crop_size=16', 'dataset.preprocessing.resize_shorter_edge=16',
        f'training.max_train_steps={STEPS}', 'training.per_gpu_batch_size=4',
        'experiment.save_every=3', 'experiment.log_every=2', 'experiment.eval_every=14',
        'experiment.generate_every=14', 'training.num_generated_images=4',
        'lr_scheduler.params.warmup_steps=2', 'lr_scheduler.params.decay_steps=4',
        'training.mixed_precision=no', 'experiment.log_grad_norm_every=2']

KINDS = [pytest.param(kind, marks=pytest.mark.long) for kind in ('tatitok', 'tower', 'maskgen_vq')]

@pytest.mark.parametrize('kind', [*KINDS, 'maskgen_kl'])
def test_killed(captioned, tmp_path, kind):
    data, base = captioned
    recipes = dict(tatitok=lambda out: tatitok(data, out, base/'tower'),
                   tower=lambda out: tower(data, out))
    args = recipes.get(kind, lambda out: maskgen(data, out, kind[8:], base))
    finish(args(tmp_path/'whole'))
    out = tmp_path/'run'
    logged = lambda: (out/'log.jsonl').exists() and '"step": 6,' in (out/'log.jsonl').read_text()
    assert kill_when(args(out), logged)
    finish(args(out))
    same_run(tmp_path/'whole', out)
    evals = [
        r for r in map(json.loads, (out/'log.jsonl').read_text().splitlines())
        if r['kind']=='eval']
    assert evals and all(0<=v<=1 for r in evals
                         for k, v in r.items() if k in ('found', 'told_apart', 'ssim'))
    if kind=='tower':
        from tok1d.models.text import TextEncoder
        assert TextEncoder.load(out)('a red hat').guidance.shape==(1, 40, 32)
    else: assert list((out/'previews').iterdir())
    if kind.startswith('maskgen'):
        from tok1d.hub.pretrained import load_pipeline
        assert load_pipeline(out).tensor(['a red hat', 'a big cat'],
                                         seed=1).shape==(2, 3, 16, 16)

def test_pretokenized(captioned, tmp_path):
    "MaskGen trains on token shards with captions: ids, or moments of a VAE"
    from tok1d.config import load_config
    from tok1d.train.pretokenize import pretokenize
    from tok1d.train.run import accelerator, build
    data, base = captioned
    for kind, name in (('vq', 'vq'), ('kl', 'vae')):
        pretokenize(str(data), tmp_path/name, str(base/name), 'none', cpu=True)
        args = [
            a for a in maskgen(tmp_path/name, tmp_path/'out', kind, base)
            if not a.startswith('config=')
        ]
        cfg = load_config(f'maskgen_{kind}_tiny', args)
        st, _ = build(cfg, accelerator(cfg))
        batch = next(iter(st.loader))
        assert ('moments' in batch)==(kind=='kl')
        whole = {f.stem: f.read_text() for f in data.glob('*.txt')}
        # some have lost their article: short_text_prob
        for key, text in zip(batch['key'], batch['text']):
            assert whole[key.removesuffix('.png')] in (text, f'a {text}'), (key, text)
        assert st.task(batch, 0, st.generator())[0]['loss'].isfinite()
        wrong = load_config(f'maskgen_{kind}_tiny', args + ['model.vq_model.num_latent_tokens=8'])
        with pytest.raises(ValueError, match='Set model.vq_model.*num_latent_tokens=4'):
            build(wrong, accelerator(wrong))

def test_refused(captioned, tmp_path):
    "Sizes that do not belong together, and a tower that is not there"
    from tok1d.config import load_config
    from tok1d.train.given import text_encoder
    _, base = captioned
    make = lambda *more: load_config('tatitok_tiny_vq',
                                     [f'model.vq_model.text_encoder={base}/tower', *more])
    with pytest.raises(ValueError, match='8 positions of 16 channels.*up to 40 of 192'):
        text_encoder(make())
    with pytest.raises(ValueError, match='model.vq_model.text_encoder: .*no text tower'):
        text_encoder(make(f'model.vq_model.text_encoder={tmp_path}'))
    assert text_encoder(make('model.vq_model.text_embed_dim=16')).width==16
    assert text_encoder(load_config('titok_tiny_vq')) is None
