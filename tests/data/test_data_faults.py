"Damaged, hostile or odd data: skipped, counted and named; refused where nothing is left"
import gzip, io, os, subprocess, sys, tarfile, warnings, zipfile
from pathlib import Path
import numpy as np, pytest, torch
from PIL import Image
from typer.testing import CliRunner
from tok1d.basics import image_files, load_image
from tok1d.config import load_config, to_config
from tok1d.data.images import ImageFolder
from tok1d.data.shards import ShardDataset, write_shards
from tok1d.data.token_shards import JSONLines, LineSizes, ShardInfo, TokenDataset, TokenShard
from tok1d.data.token_shards import make_token_loader, write_token_shard
from tok1d.data.tokens import Source
from tok1d.train.given import check_classes
from tok1d.train.heldout import some_lines

# part of a file name: it would colour the terminal and begin a line of its own
RED = 'a\x1b[31mred\nx'
TOY = Source('toy', 'vq', num_tokens=4, codebook_size=50, token_size=4, image_size=16,
             weights='0123456789abcdef')
SIZES = LineSizes(4, 50, 3)

def png(colour='teal', size=(20, 16), **kw):
    f = io.BytesIO()
    Image.new('RGB', size, colour).save(f, 'PNG', **kw)
    return f.getvalue()

def samples(n, **more):
    for i in range(n): yield {'__key__': f'{i:03}', 'png': png((6*i, 0, 99)), 'cls': i%3} | more

@pytest.fixture
def cache(tmp_path): return str(tmp_path/'cache')

@pytest.fixture
def shard(tmp_path): return Path(write_shards(samples(40), tmp_path/'whole-%d.tar')[0])

def said(caught): return [str(w.message) for w in caught]


# ---- lines of tokens

GOOD = '{"class_id": 1, "tokens": [1, 2, 3, 4]}'
BAD = [
    '{"class_id": 1, "tokens": [1, 2, 3]}', '{"class_id": 1, "tokens": [1, 2, 3, 5000]}',
    '{"class_id": 1, "tokens": [1, 2, 3, -1]}',
    '{"class_id": 1, "tokens": [1, 2, 3, 99999999999999999999]}',
    '{"class_id": 99999999999999999999, "tokens": [1, 2, 3, 4]}',
    '{"class_id": -1, "tokens": [1, 2, 3, 4]}', '{"class_id": "3.0", "tokens": [1, 2, 3, 4]}',
    '{"class_id": true, "tokens": [1, 2, 3, 4]}', '{"class_id": NaN, "tokens": [1, 2, 3, 4]}',
    '{"class_id": Infinity, "tokens": [1, 2, 3, 4]}', '{"class_id": 7, "tokens": [1, 2, 3, 4]}',
    '{"class_id": 1, "tokens": [1, 2, 3, NaN]}', '{"class_id": 1, "tokens": [1, 2, 3, true]}',
    '{"class_id": 1, "tokens": [[1, 2, 3, 4]]}', '{"class_id": 1, "tokens": []}',
    '{"class_id": 1, "tokens": {"0": 1}}', '{"class_id": 1}', '[]', 'null', '', '['*20_000,
    '\x00', '{"class_id": 1, "tok']

def lines(path, rows):
    path.write_text('\n'.join(rows) + '\n')
    return path

def token_config(spec, cache, **training):
    return to_config(
        dict(
            model=dict(vq_model=dict(codebook_size=50, num_latent_tokens=4),
                       generator=dict(condition_num_classes=3)),
            dataset=dict(params=dict(train_shards_path_or_url=str(
                spec), eval_shards_path_or_url=str(spec), cache_dir=cache, num_workers_per_gpu=0)),
            training=dict(per_gpu_batch_size=8) | training))

def test_lines_that_do_not_fit_are_left_out(tmp_path, cache):
    rows = [GOOD]*30 + BAD + [GOOD]*30
    path = lines(tmp_path/'lines.jsonl', rows)
    with warnings.catch_warnings(record=True) as caught:
        batch = some_lines([JSONLines(path, cache)], SIZES)
    assert batch['tokens'].tolist() == [[1, 2, 3, 4]]*60
    assert f'{len(BAD)} lines' in said(caught)[0] and 'line 31' in said(caught)[0]
    with warnings.catch_warnings(action='ignore'):
        loader = make_token_loader(token_config(path, cache), 'eval')
        assert sum(len(b['cls']) for b in loader) == 60
    assert loader.skipped == len(BAD) and f'{len(BAD)} broken samples' in loader.losses()
    # a text model asks for no class; none may overflow a tensor all the same
    with warnings.catch_warnings(action='ignore'):
        cfg = token_config(path, cache)
        cfg.dataset.params.dataset_with_text_label = True
        for b in make_token_loader(cfg, 'eval'): assert b['cls'].dtype == torch.int64

def test_a_good_line_is_found_wherever_it_is(tmp_path, cache):
    path = lines(tmp_path/'lines.jsonl', BAD[:2]*300 + [GOOD] + BAD[:2]*300)
    with warnings.catch_warnings(action='ignore'):
        assert len(some_lines([JSONLines(path, cache)], SIZES, n=7)['cls']) == 1

def test_a_file_of_bad_lines_is_refused(tmp_path, cache):
    path = lines(tmp_path/'bad.jsonl', BAD)
    with pytest.raises(ValueError, match=f'None of the {len(BAD)} lines'):
        some_lines([JSONLines(path, cache)], SIZES)
    with pytest.raises(ValueError,
                       match='cannot be used'), warnings.catch_warnings(action='ignore'):
        next(iter(make_token_loader(token_config(path, cache))))

@pytest.mark.parametrize('damage', [b'', b'\x93NUMPY', b'rubbish', 'half', 'other'])
def test_an_index_that_is_damaged_is_made_again(tmp_path, cache, damage):
    path = lines(tmp_path/'lines.jsonl', [GOOD]*9)
    JSONLines(path, cache)
    kept, = Path(cache).glob('*.lines.npy')
    if damage == 'half': damage = kept.read_bytes()[:-20]
    if damage == 'other':
        np.save(kept, np.arange(4))
        damage = kept.read_bytes()
    kept.write_bytes(damage)
    assert len(JSONLines(path, cache)) == 9 and JSONLines(path, cache)[8]['cls'] == 1

# ---- token shards

def token_shard(path, n=8, cls=None, tokens=None, **kw):
    tokens = np.arange(4*n).reshape(n, 1, 4)%50 if tokens is None else tokens
    return write_token_shard(path, tokens, ShardInfo(TOY, ['centre'],
                                                     []), [f'{i}.png' for i in range(n)],
                             [i%3 for i in range(n)] if cls is None else cls, ['a cat']*n, **kw)

def rewritten(path, drop=(), **change):
    "A shard of other arrays"
    from safetensors import safe_open
    from safetensors.numpy import save_file
    with safe_open(path, 'numpy') as f:
        arrays, meta = {k: f.get_tensor(k) for k in f.keys() if k not in drop}, f.metadata()
    save_file(arrays | change, path, metadata=meta)
    return path

ends = lambda *e: np.array(e, np.int64)
IMPOSSIBLE = [
    dict(drop=['keys']),
    dict(drop=['text']),
    dict(drop=['cls']),
    dict(drop=['keys_end']),
    dict(drop=['text_end']),
    dict(drop=['tokens']),
    dict(keys_end=ends(1, 2, 3)),
    dict(keys_end=ends(5, 10, 15, 20, 25, 30, 35, 4000)),
    dict(keys_end=ends(5, 10, 15, 20, 25, 30, 35, -40)),
    dict(keys_end=ends(9, 5, 15, 20, 25, 30, 35, 40)),
    dict(text_end=np.zeros(8, np.int64)),
    dict(text_end=np.full(8, 40, np.float32)),
    dict(cls=np.zeros(8, np.int64)),
    dict(cls=np.zeros((8, 1), np.int32)),
    dict(cls=np.zeros(7, np.int32)),
    dict(tokens=np.zeros((8, 1, 4), np.float32)),
    dict(tokens=np.zeros((8, 2, 4), np.uint16)),
    dict(tokens=np.zeros(8, np.uint16)),
    dict(tokens=np.zeros((8, 1, 4), np.float16)),
    dict(logvar=np.zeros((8, 1, 4), np.float32)),
    dict(aes_score=np.zeros(3, np.float32)),
    dict(recap=np.zeros(4, np.uint8)),
    dict(keys=np.zeros((4, 10), np.uint8))
]

def test_impossible_token_shards_are_left_out_and_named(tmp_path):
    good, bad = token_shard(tmp_path/'000000.safetensors'), []
    for i, change in enumerate(IMPOSSIBLE):
        bad.append(rewritten(token_shard(tmp_path/f'{i+1:06}.safetensors'), **change))
        with pytest.raises(ValueError, match='no token shard'): TokenShard(bad[-1])
    ds = TokenDataset([*bad[:9], good, *bad[9:]])
    assert len(ds) == 8 and list(ds.damaged) == [str(p) for p in bad] and ds[7]['key'] == '7.png'
    with pytest.raises(ValueError, match=f'None of {len(bad)} token shards'): TokenDataset(bad)
    with warnings.catch_warnings(record=True) as caught:
        loader = make_token_loader(token_config(f'{tmp_path}/*.safetensors', None))
        assert len(next(iter(loader))['cls']) == 8
    assert sum('Damaged shard' in w for w in said(caught)) == len(bad)
    assert f'{len(bad)} damaged shards' in loader.losses()

def test_headers_that_were_made_for_the_purpose(tmp_path):
    whole = token_shard(tmp_path/'a.safetensors').read_bytes()
    for old, new in ((b'num_tokens\\": 4', b'num_tokens\\": 0'),
                     (b'codebook_size\\": 50', b'codebook_size\\": -5'), (b'"vq\\"', b'"zz\\"'),
                     (b'[\\"centre\\"]', b'[]          '), (b'shard-1', b'shard-9')):
        assert old in whole or old == b'"vq\\"'
        (tmp_path/'b.safetensors').write_bytes(whole.replace(old, new))
        if whole.replace(old, new) != whole:
            with pytest.raises(ValueError, match='no token shard'):
                TokenShard(tmp_path/'b.safetensors')

def test_a_class_that_fits_nothing(tmp_path):
    for cls in (2**31, 10**20, -1, 2.5, True, '3', np.bool_(True), float('nan')):
        with pytest.raises(ValueError, match='whole number'):
            token_shard(tmp_path/'x.safetensors', 1, [cls])
    for tokens in (np.full((1, 1, 4), 50), np.full((1, 1, 4), 2**16), np.full(
        (1, 1, 4), -1), np.full((1, 1, 4), .5)):
        with pytest.raises(ValueError, match='ids'):
            token_shard(tmp_path/'x.safetensors', 1, tokens=tokens)
    assert not (tmp_path/'x.safetensors').exists()
    ds = TokenDataset([token_shard(tmp_path/'one.safetensors', cls=[None, 5, *[0]*6])])
    with warnings.catch_warnings(record=True) as caught: check_classes(ds, 3)
    assert '2 of 8 images are left out' in said(caught)[0]
    with warnings.catch_warnings(action='ignore'): assert len(some_lines([ds], SIZES)['cls']) == 6
    ds = TokenDataset([token_shard(tmp_path/'most.safetensors', cls=[7]*7 + [0])])
    with pytest.raises(ValueError, match='7 of 8 images cannot be used'): check_classes(ds, 3)
    rewritten(tmp_path/'one.safetensors', cls=np.full(8, -9, np.int32))
    with pytest.raises(ValueError, match='has class -9'): TokenShard(tmp_path/'one.safetensors')[0]

def test_texts_that_no_encoding_holds(tmp_path):
    info = ShardInfo(TOY, ['centre'], [('caf\udce9.png', 'why')])
    path = write_token_shard(tmp_path/'x.safetensors', np.zeros((1, 1, 4), int), info,
                             ['caf\udce9.png'], [0], ['\ud800 cat'])
    assert (TokenShard(path)[0]['key'], TokenShard(path)[0]['text'],
            TokenShard(path).info.skipped[0][0]) == ('caf\udce9.png', '? cat', 'caf\udce9.png')

# ---- tars

def tar(path, members, **kw):
    "A tar of `(name, bytes)` or `TarInfo`"
    with tarfile.open(path, 'w', **kw) as t:
        for m in members:
            if isinstance(m, tarfile.TarInfo): t.addfile(m)
            else:
                info = tarfile.TarInfo(m[0])
                info.size = len(m[1])
                t.addfile(info, io.BytesIO(m[1]))
    return path

def pairs(n, prefix=''):
    return [
        m for i in range(n) for m in ((f'{prefix}{i:03}.png', png()), (f'{prefix}{i:03}.cls', b'1'))
    ]

def test_a_tar_zeroed_from_its_middle_on(shard, cache):
    blob = shard.read_bytes()
    for share in (.25, .5, .75):
        at = int(len(blob)*share)//512*512
        shard.write_bytes(blob[:at] + bytes(len(blob)-at))
        os.utime(shard, ns=(at, at))
        ds = ShardDataset([str(shard)], cache)
        assert 40*share-2 <= len(ds) < 40 and 'zeros' in ds.damaged[str(shard)]
    shard.write_bytes(blob)
    assert not ShardDataset([str(shard)], cache).damaged

def test_tars_of_other_writers_are_whole(tmp_path, cache):
    formats = dict(ustar=tarfile.USTAR_FORMAT, gnu=tarfile.GNU_FORMAT, pax=tarfile.PAX_FORMAT)
    for name, kind in formats.items():
        long = 'd'*120 + '/'
        extra = dict(pax_headers={'comment': 'x'*5000}) if name == 'pax' else {}
        path = tar(tmp_path/f'{name}.tar', pairs(6, '' if name == 'ustar' else long), format=kind,
                   **extra)
        ds = ShardDataset([str(path)], cache)
        assert len(ds) == 6 and not ds.damaged and ds[5]['cls'] == 1, name
    blob = (tmp_path/'ustar.tar').read_bytes().rstrip(b'\0')
    two = tmp_path/'two-blocks.tar'  # as Go writes it
    two.write_bytes(blob + bytes(-len(blob)%512 + 1024))
    assert not ShardDataset([str(two)], cache).damaged

def test_tars_that_are_something_else(tmp_path, cache):
    blob = tar(tmp_path/'whole.tar', pairs(4)).read_bytes()
    others = {
        'gzip': gzip.compress(blob), 'is empty': b'', 'more data after the end': blob+blob,
        'unreadable header': blob[:1024] + b'\xaa'*512 + blob[1536:]
    }
    for why, data in others.items():
        path = tmp_path/f'{len(data)}.tar'
        path.write_bytes(data)
        ds = ShardDataset([str(tmp_path/'whole.tar'), str(path)], cache)
        assert why in ds.damaged[str(path)]
        if not data or why == 'gzip':
            with pytest.raises(ValueError, match=f'No sample in 1 shards.*{why}'):
                ShardDataset([str(path)], cache)
    with zipfile.ZipFile(tmp_path/'zip.tar', 'w') as z: z.writestr('a.png', png())
    with pytest.raises(ValueError, match='zip'): ShardDataset([str(tmp_path/'zip.tar')], cache)

def test_members_that_are_not_what_they_seem(tmp_path, cache):
    link = tarfile.TarInfo('001.png')
    hard = tarfile.TarInfo('002.png')
    long = tarfile.TarInfo('x'*5000 + '.png')
    link.type, link.linkname = tarfile.SYMTYPE, '/etc/passwd'
    hard.type, hard.linkname = tarfile.LNKTYPE, '000.png'
    path = tar(tmp_path/'links.tar', [('000.png', png()), link, hard, ('003.png', png()),
                                      ('003.png', png())])
    ds = ShardDataset([str(path)], cache)
    assert len(ds) == 5  # a key that comes twice is two samples
    for i in (1, 2):
        with pytest.raises(ValueError, match='link within the tar'): ds.read(i, ())
    named = tar(tmp_path/'long.tar', [('000.png', png()), ('001.png', png()), long],
                format=tarfile.PAX_FORMAT)
    assert '5,004 characters' in ShardDataset([str(named)], cache).damaged[str(named)]

def test_labels_of_all_kinds(tmp_path, cache):
    odd = [b'3.0', b'-1', b'true', b'99999999999999999999', b'', b'\xff', '²'.encode()]
    members = [m for i, c in enumerate(odd) for m in ((f'{i}.png', png()), (f'{i}.cls', c))]
    ds = ShardDataset([str(tar(tmp_path/'odd.tar', members))], cache)
    for i in range(len(odd)):
        with pytest.raises(ValueError, match='whole number'): ds.read(i, ('cls',))
        assert ds.read(i, ())['cls'] is None
    metas = [
        b'{"aes_score": NaN}', b'{"aes_score": Infinity}', b'{"aes_score": true}',
        b'{"recap_txt": "\\ud800"}', b'{"recap_txt": 7}', b'[1]', b'nonsense', b'['*9999
    ]
    members = [m for i, c in enumerate(metas) for m in ((f'{i}.png', png()), (f'{i}.json', c))]
    ds = ShardDataset([str(tar(tmp_path/'json.tar', members))], cache)
    assert np.isnan(ds[0]['aes_score']) and ds[5]['recap'] is None
    for i in (1, 2, 3, 4, 6, 7):
        with pytest.raises(ValueError): ds[i]
        assert ds.read(i, ())['image']

# ---- the commands

def printable(text):
    "Nothing of a file's name may move the cursor, change a colour or begin a line"
    assert all(c.isprintable() or c in '\n\r\t' for c in text), ascii(text)
    assert '\nx' not in text and '\\x1b[31mred' in text, text
    return text

@pytest.fixture
def place(tmp_path, monkeypatch):
    """Home and current folder, with a folder of odd pictures and a damaged shard, all of names one
    would not choose"""
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    photos = tmp_path/RED
    photos.mkdir()
    for i in range(6): (photos/f'{RED}{i}.png').write_bytes(png((40*i, 0, 0)))
    (photos/os.fsdecode(b'caf\xe9.png')).write_bytes(png())
    (photos/f'empty {RED}.png').write_bytes(b'')
    (photos/f'half {RED}.png').write_bytes(png()[:50])
    (photos/'a folder.png').mkdir()
    os.mkfifo(photos/'pipe.png')
    blob = Path(write_shards(samples(40), tmp_path/f'{RED}%d.tar')[0])
    data = blob.read_bytes()
    blob.write_bytes(data[:len(data)//1024*512] + bytes(len(data)-len(data)//1024*512))
    return tmp_path

@pytest.fixture(scope='module')
def tokenizer(tmp_path_factory):
    from tok1d.models.titok import TiTok
    folder = tmp_path_factory.mktemp('tokenizer')
    TiTok(load_config('titok_tiny_debug')).save_pretrained(folder)
    return str(folder)

def command(main, args, capfd):
    "What a command wrote, and how it ended"
    capfd.readouterr()
    how = None
    try: main([str(a) for a in args])
    except SystemExit as e:
        how = e.code
        if isinstance(how, str): print(how, file=sys.stderr)
    said = capfd.readouterr()
    return said.out + said.err, how

def test_pretokenize_names_what_is_lost(place, tokenizer, capfd):
    from tok1d.data.token_shards import read_manifest
    from tok1d.train.pretokenize import main
    out, how = command(main, [
        f'{place/RED}::{place/RED}0.tar', f'~/out {RED}', '--tokenizer', tokenizer, '--augment',
        'none', '--cpu', '--cache-dir', place/'cache'], capfd)
    assert how is None, out
    printable(out)
    made = read_manifest(place/f'out {RED}')
    assert made['rows'] == made['images']-2 and made['skipped'] == 2 and [*made['damaged']] == [
        str(place/f'{RED}0.tar')
    ]
    for words in ('2 of', 'could not be read', 'damaged', 'more than the padding'):
        assert words in out
    keys = [TokenDataset(str(place/f'out {RED}'))[i]['key'] for i in range(7)]
    assert os.fsdecode(b'caf\xe9.png') in keys and not (place/'~').exists()

def test_pretokenize_of_what_cannot_be(place, tokenizer, capfd):
    from tok1d.train.pretokenize import main
    (place/f'bad {RED}').mkdir()
    (place/f'bad {RED}'/f'{RED}.png').write_bytes(b'no picture')
    (place/f'none {RED}').mkdir()
    (place/f'{RED}.tar').write_bytes(gzip.compress(b'x'))
    (place/f'full {RED}').mkdir()
    (place/f'full {RED}'/'x.safetensors').touch()
    for data, to, words in ((f'bad {RED}', 'out', 'None of the 1 images'), (f'none {RED}', 'out',
                                                                            'holds no image'),
                            (f'gone {RED}.tar', 'out', 'do not exist'), (f'{RED}.tar', 'out',
                                                                         'gzip'),
                            (RED, f'full {RED}', 'give an empty folder'), (f's3://{RED}', 'out',
                                                                           'as a stream')):
        out, how = command(
            main, [data, to, '--tokenizer', tokenizer, '--cpu', '--cache-dir', place/'cache'],
            capfd)
        assert how and words in printable(out), out

def test_train_lists_what_is_lost(place, tokenizer, capfd):
    from tok1d.train.run import main
    run = [
        'config=titok_tiny_debug', f'experiment.output_dir=~/run {RED}',
        'training.max_train_steps=6', 'training.num_generated_images=0', 'experiment.log_every=3',
        'training.per_gpu_batch_size=32',
        f'dataset.params.train_shards_path_or_url={place/RED}::{place/RED}0.tar',
        'dataset.params.dataset_with_class_label=false', f'dataset.params.cache_dir={place}/cache',
        f'dataset.params.eval_shards_path_or_url={place/RED}']
    out, how = command(main, run, capfd)
    assert how is None, out
    end = printable(out).split('Finished')[0]
    assert '1 damaged shard;' in end and '2 broken samples, met' in end and (
        place/f'run {RED}/model.safetensors').is_file()

def test_train_on_lines_and_a_swapped_tokenizer(place, tokenizer, capfd):
    from tok1d.hub.pretrained import load_pipeline
    from tok1d.models.titok import TiTok
    from tok1d.train.run import main
    row = '{"class_id": %d, "tokens": [1, 2, 3, 4, 5, 6, 7, 8]}'
    bad = [b.replace('[1, 2, 3, 4', '[1, 2, 3, 4, 5, 6, 7, 8') for b in BAD] + [row%9]
    data, mine = lines(place/f'{RED}.jsonl', [row%(i%4) for i in range(40)] + bad), place/'mytok'
    TiTok.from_pretrained(tokenizer).save_pretrained(mine)
    run = [
        'config=maskgit_tiny', f'experiment.output_dir={place}/gen {RED}',
        f'experiment.tokenizer_checkpoint={mine}', 'training.max_train_steps=2',
        'training.cpu=true', 'model.vq_model.codebook_size=64',
        'model.vq_model.num_latent_tokens=8', 'model.generator.image_seq_len=8',
        'model.generator.hidden_size=32', 'model.generator.num_hidden_layers=1',
        'model.generator.intermediate_size=64', 'model.generator.condition_num_classes=4',
        'training.num_generated_images=0', 'training.per_gpu_batch_size=4',
        'training.mixed_precision=no', 'lr_scheduler.params.warmup_steps=1',
        'dataset.params.num_workers_per_gpu=0', f'dataset.params.cache_dir={place}/cache',
        'experiment.log_every=1', f'dataset.params.train_shards_path_or_url={data}',
        f'dataset.params.eval_shards_path_or_url={data}']
    with pytest.warns(UserWarning, match=f'{len(bad)} lines cannot be used'):
        out, how = command(main, run, capfd)
    assert how is None and printable(out), out
    with warnings.catch_warnings(action='error'): load_pipeline(place/f'gen {RED}')
    torch.manual_seed(7)
    TiTok(load_config('titok_tiny_debug')).save_pretrained(mine)
    with pytest.warns(UserWarning, match='other weights'): load_pipeline(place/f'gen {RED}')
    out, how = command(main, [*run, 'training.max_train_steps=3'], capfd)
    assert 'experiment.tokenizer_weights=' in str(how)
    now = str(how).split('experiment.tokenizer_weights=')[1].rstrip('.\n')
    out, how = command(main,
                       [*run, 'training.max_train_steps=3', f'experiment.tokenizer_weights={now}'],
                       capfd)
    assert how is None, out
    lines(data, bad)
    out, how = command(main, [*run, f'experiment.output_dir={place}/other'], capfd)
    assert 'None of the' in printable(str(how))

def tok1d(*args):
    from tok1d.cli import app
    return CliRunner().invoke(app, [str(a) for a in args], prog_name='tok1d')

def test_encode_and_decode(place, tokenizer):
    r = tok1d('encode', f'~/{RED}', '-o', f'~/{RED}.json', '-m', tokenizer)
    assert r.exit_code == 0, r.output
    assert '2 of 9 images' in printable(r.output) and (place/f'{RED}.json').is_file()
    # it exists
    printable(tok1d('encode', f'~/{RED}', '-o', f'~/{RED}.json', '-m', tokenizer).output)
    r = tok1d('decode', f'~/{RED}.json', '-o', f'~/decoded {RED}', '-m', tokenizer)
    assert r.exit_code == 0, r.output
    assert len([*(place/f'decoded {RED}').iterdir()]) == 7 and printable(r.output)
    r = tok1d('quickstart', f'~/{RED}', '-o', f'~/quick {RED}', '-m', tokenizer, '--search', 0)
    assert r.exit_code == 0 and printable(r.output), r.output
    for args in (('decode', f'{RED}.txt', '-o', 'x'), ('decode', f'gone {RED}.json', '-o', 'x'),
                 ('encode', f'gone {RED}.png', '-o', 'x.json', '-m',
                  tokenizer), ('encode', RED, '-o', 'x.json', '-m',
                               f'./{RED}'), ('encode', RED, '-o', 'y.json', '-m', f'gone/{RED}/x'),
                 ('train', f'config={RED}.yaml'), ('eval', 'reconstruction', tokenizer, '--data',
                                                   f'gone {RED}')):
        r = tok1d(*args)
        assert r.exit_code and printable(r.output) and 'Traceback' not in r.output, (args, r.output)

def test_the_home_folder_is_meant_everywhere(place):
    (place/'a.png').write_bytes(png())
    assert load_image('~/a.png').shape == (3, 16, 20)
    assert len(ImageFolder(f'~/{RED}')) == len(image_files(f'~/{RED}')) == 9
    with pytest.raises(ValueError, match='no file'): load_image('~/gone.png')

# ---- memory

def big_png(w, h):
    "A black picture of one bit a pixel, in a few kilobytes"
    import struct, zlib
    pack = zlib.compressobj(9)
    row = bytes(1 + -(-w//8))
    data = b''.join(pack.compress(row) for _ in range(h)) + pack.flush()
    chunk = lambda kind, d: struct.pack('>I', len(d)) + kind + d + struct.pack(
        '>I', zlib.crc32(kind+d))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack(
        '>IIBBBBB', w, h, 1, 0, 0, 0, 0)) + chunk(b'IDAT', data) + chunk(b'IEND', b'')

def test_memory_of_large_pictures(tmp_path, tokenizer):
    "Within 256 MB beyond what importing takes: read, or refused in one line"
    photos = tmp_path/'photos'
    photos.mkdir()
    sizes = dict(square=(13_000, 13_000), tall=(2, 1_000_000), wide=(1_000_000, 2),
                 middling=(3000, 3000))
    for name, size in sizes.items(): (photos/f'{name}.png').write_bytes(big_png(*size))
    with open(photos/'sparse.png', 'wb') as f: f.truncate(2**34)
    (photos/'good.png').write_bytes(png())
    assert (photos/'square.png').stat().st_size < 30_000
    code = f"""
import resource, warnings
from tok1d.reports import find_images, read_batches
from tok1d.config import load_config
from tok1d.data.shards import make_loader, open_sources
from tok1d.train.pretokenize import Images, centre, crops
from pathlib import Path
warnings.simplefilter('ignore')
folder = {str(photos)!r}
cfg = load_config('titok_tiny_debug', ['dataset.params.eval_shards_path_or_url=' + folder,
                                       'dataset.params.train_shards_path_or_url=' + folder,
                                       'dataset.params.dataset_with_class_label=false'])
loaders = [make_loader(cfg, split, batch_size=6, num_workers=0) for split in ('eval', 'train')]
used = int(open('/proc/self/statm').read().split()[0])*resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28,)*2)
for variants in (centre(32, True), crops(32)):
    ims = Images(open_sources(folder), 0, 6, variants, 0)
    print(sorted((Path(x['key']).stem, x.get('why', '')) for x in map(ims.__getitem__, range(6))))
skipped = []
batches = read_batches(find_images([Path(folder)]), 32, skipped)
print(sorted(s.item.name for b in batches for s in b), skipped)
for loader in loaders: print(len(next(iter(loader))['image']), loader.broken)
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('good') == 3 and 'MemoryError' not in done.stdout
    flip, ten, encoded, evaluated, trained = done.stdout.splitlines()
    for told in (flip, ten):
        assert told.count(
            "''"
        ) == 4 and 'claims more than' in told and 'bytes; an image has at most' in told, told
    assert "['good.png', 'middling.png', 'tall.png', 'wide.png']" in encoded
    assert 'claims more than' in encoded
    assert evaluated.startswith('4 ') and trained.startswith('6 '), (evaluated, trained)
