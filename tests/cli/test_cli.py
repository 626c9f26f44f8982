"The command line as a user meets it: good use, bad use, hostile files"
import json, os, socket, subprocess, sys, time, urllib.request
import pytest, torch
from pathlib import Path
from PIL import Image
from typer.testing import CliRunner
from tok1d.basics import load_image
from tok1d.cli import app
from tok1d.config import load_config
from tok1d.data.embedded import photos, samples
from tok1d.data.tokens import load_tokens
from tok1d.hub.pretrained import load
from tok1d.models.maskgit import ImageBert
from tok1d.models.titok import TiTok
from tok1d.reports import Item, go_through, mean_psnr

@pytest.fixture(scope='module')
def models(tmp_path_factory):
    "Random tiny tokenizers, saved: what a user's own training leaves behind"
    out = {}
    for name,overrides in dict(vq=[], other=['model.vq_model.codebook_size=32'],
                               vae=['model.vq_model.quantize_mode=vae'],
                               rigid=['model.vq_model.elastic=false']).items():
        torch.manual_seed(len(out))
        out[name] = str(tmp_path_factory.mktemp('models')/name)
        TiTok(load_config('titok_tiny_debug', overrides)).save_pretrained(out[name])
    torch.manual_seed(99)
    out['twin'] = str(tmp_path_factory.mktemp('models')/'twin')
    TiTok(load_config('titok_tiny_debug')).save_pretrained(out['twin'])
    return out

@pytest.fixture
def pets(tmp_path):
    "A folder of images of several kinds, one broken, one that is none"
    d = tmp_path/'pets'
    (d/'cats').mkdir(parents=True)
    Image.new('RGB', (80,60), 'brown').save(d/'dog.png')
    Image.new('L', (20,90), 128).save(d/'cats/tom.jpg')
    Image.new('RGBA', (64,64), (255,128,0,60)).save(d/'cats/dog.png')
    Image.new('RGB', (9,9), 'blue').save(d/'dog.gif')
    (d/'broken.png').write_bytes(b'\x89PNG\r\n\x1a\nbut then nothing')
    (d/'notes.txt').write_text('no image')
    return d

def tok1d(*args, code=0):
    r = CliRunner().invoke(app, [str(a) for a in args], prog_name='tok1d')
    assert r.exit_code==code, f'{r.exit_code}: {r.output} {r.exception!r}'
    assert 'Traceback' not in r.output
    if code==1:
        assert len([l for l in r.stderr.splitlines() if l.startswith('tok1d:')])==1, r.stderr
    return r

def files(d): return sorted(p.relative_to(d).as_posix() for p in Path(d).rglob('*') if p.is_file())

# help and usage

COMMANDS = [
    'quickstart','encode','decode','generate','list','config','train','pretokenize','demo',
    'data','data build']

@pytest.mark.parametrize('command', ['', *COMMANDS])
def test_help(command):
    out = tok1d(*command.split(), '--help').output
    assert 'Usage' in out and (command=='data' or 'Examples' in out)

def test_help_lists_every_command():
    out = tok1d('--help').output
    assert all(c in out for c in COMMANDS if ' ' not in c)

def test_help_is_light():
    "Nothing that takes long to import"
    code = ('import sys,tok1d.cli; print({"torch","numpy","PIL","gradio","accelerate"} & '
            '{*sys.modules})')
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          check=True).stdout.strip()=='set()'

def test_usage_errors(tmp_path):
    for args in (['nonsense'], ['encode'], ['encode','a.png'], ['decode'], ['decode','t.json'],
                 ['quickstart',
                  '--nope'], ['train'], ['train','titok_tiny_vq'], ['train','training.seed=1'],
                 ['demo','--port',
                  '0'], ['encode','a.png','-o','x.json','--tokens',
                         '0'], ['decode','t.json','-o',tmp_path/'x','--tokens','-3']):
        tok1d(*args, code=2)
    assert not (tmp_path/'x').exists()

def test_debug_shows_the_traceback(tmp_path):
    for args in (['--debug','decode','none.json','-o',
                  'x'], ['decode','none.json','-o','x','--debug']):
        r = CliRunner().invoke(app, args)
        assert r.exit_code==1 and isinstance(r.exception, ValueError)

def test_version(): assert tok1d('--version').output.startswith('tok1d 0.')

# quickstart

def test_quickstart_on_files(models, pets, tmp_path):
    r = tok1d('quickstart', pets/'dog.png', pets/'broken.png', pets/'cats', '-m',
              models['vq'], '-o', tmp_path/'q')
    assert files(tmp_path/'q')==['reconstructions.png','tokens.json']
    assert 'Skipped 1 of 4' in r.stderr and 'broken.png' in r.stderr and str(
        tmp_path/'q/reconstructions.png') in r.stdout
    d = json.loads((tmp_path/'q/tokens.json').read_text())
    model = load_config('titok_tiny_debug').model.vq_model
    n = model.num_latent_tokens
    assert [i['name'] for i in d['images']]==['dog.png','dog.png','tom.jpg']
    assert all(
        len(i['ids'])==n and set(i['psnr'])=={str(k)
                                              for k in (1,2,4,8,16) if k<n}|{str(n)}
        for i in d['images'])
    assert len(
        d['skipped']
    )==1 and d['bits_per_image']==n*d['bits_per_token'] and d['model']['name']==models['vq']
    im = Image.open(tmp_path/'q/reconstructions.png')
    im.load()
    assert im.width>im.height/2

def test_quickstart_nothing_readable(models, pets, tmp_path):
    for bad in ([pets/'broken.png'], [pets/'notes.txt', tmp_path/'none.png']):
        r = tok1d('quickstart', *bad, '-m', models['vq'], '-o', tmp_path/'q', code=1)
        assert bad[0].name in r.stderr
    (tmp_path/'hollow').mkdir()
    tok1d('quickstart', tmp_path/'hollow', '-m', models['vq'], '-o', tmp_path/'q', code=1)
    assert not (tmp_path/'q').exists()

def test_quickstart_many_images(models, tmp_path):
    (tmp_path/'many').mkdir()
    for i in range(30): Image.new('RGB', (8,8), (i*8,0,0)).save(tmp_path/f'many/{i:02}.png')
    r = tok1d('quickstart', tmp_path/'many', '-m', models['vq'], '-o', tmp_path/'q')
    assert 'first 24 of 30' in r.stdout
    assert len(json.loads((tmp_path/'q/tokens.json').read_text())['images'])==30

@pytest.mark.parametrize('which', ['vae','rigid'])
def test_quickstart_other_kinds(models, pets, tmp_path, which):
    r = tok1d('quickstart', pets/'dog.png', '-m', models[which], '-o', tmp_path/'q')
    if which=='rigid': assert 'not trained for fewer' in r.stderr

def test_output_is_a_file(models, pets, tmp_path):
    (tmp_path/'f').write_text('mine')
    # a file is a model, too
    tok1d('encode', pets/'dog.png', '-o', tmp_path/'t.json', '-m',
          f"{models['vq']}/model.safetensors")
    for args in (['quickstart', pets/'dog.png', '-m', models['vq']], ['decode', tmp_path/'t.json']):
        assert 'is a file' in tok1d(*args, '-o', tmp_path/'f', code=1).stderr
    tok1d('decode', tmp_path/'t.json', '-o', tmp_path/'out')
    assert files(tmp_path/'out')==['dog.png'] and (tmp_path/'f').read_text()=='mine'

def test_no_such_model(pets, tmp_path):
    tok1d('quickstart', pets/'dog.png', '-m', tmp_path/'none', '-o', tmp_path/'q', code=1)

# encode, decode

@pytest.mark.parametrize('which', ['vq','vae'])
@pytest.mark.parametrize('suffix', ['.safetensors','.json'])
def test_there_and_back(models, pets, tmp_path, which, suffix):
    f = tmp_path/f'new/t{suffix}'
    r = tok1d('encode', pets, '-o', f, '-m', models[which], '--batch-size', 2)
    assert 'Skipped 1 of 5' in r.stderr and '4 images' in r.stdout
    ts = load_tokens(f)
    assert ts.names==['cats/dog.png','cats/tom.jpg','dog.gif','dog.png']
    tok1d('decode', f, '-o', tmp_path/'out', '--batch-size', 3)
    assert files(tmp_path/'out')==['cats/dog.png','cats/tom.png','dog-2.png','dog.png']
    m = TiTok.from_pretrained(models[which]).eval()
    with torch.no_grad(): want = m.decode(ts.tokens)[1].clamp(0, 1)
    got = torch.frombuffer(bytearray(Image.open(tmp_path/'out/cats/tom.png').tobytes()),
                           dtype=torch.uint8).view(*want.shape[1:], 3).permute(2,0,1)/255
    torch.testing.assert_close(got, want, atol=.51/255, rtol=0)

def test_fewer_tokens(models, pets, tmp_path):
    n = load_config('titok_tiny_debug').model.vq_model.num_latent_tokens
    tok1d('encode', pets/'dog.png', '-o', tmp_path/'all.json', '-m', models['vq'])
    tok1d('encode', pets/'dog.png', '-o', tmp_path/'two.json', '-m', models['vq'], '--tokens', 2)
    full,two = load_tokens(tmp_path/'all.json'),load_tokens(tmp_path/'two.json')
    assert full.tokens[:,:2].equal(two.tokens) and two.tokens.shape==(1,2)
    tok1d('decode', tmp_path/'all.json', '-o', tmp_path/'a', '--tokens', 2)
    tok1d('decode', tmp_path/'two.json', '-o', tmp_path/'b')
    assert (tmp_path/'a/dog.png').read_bytes()==(tmp_path/'b/dog.png').read_bytes()
    tok1d('decode', tmp_path/'two.json', '-o', tmp_path/'c', '--tokens', 3, code=1)
    tok1d('encode', pets/'dog.png', '-o', tmp_path/'x.json', '-m', models['vq'], '--tokens',
          n+1, code=1)
    assert not (tmp_path/'c').exists() and not (tmp_path/'x.json').exists()

def test_search(models, pets, tmp_path):
    def run(c):
        tok1d('encode', pets/'dog.png', '-m', models['vq'], '-o', tmp_path/f'{c}.json',
              '--search', c)
        return load_tokens(tmp_path/f'{c}.json').tokens
    plain,best = run(0),run(6)
    assert run(1).equal(plain) and best.shape==plain.shape and not best.equal(plain)
    m = TiTok.from_pretrained(models['vq']).eval()
    x = load_image(pets/'dog.png', size=m.image_size)
    with torch.no_grad():
        error = [(m.decode(t).clamp(0,1)-x).square().mean().item() for t in (plain,best)]
    assert error[1]<error[0]
    assert 'codebook' in tok1d('encode', pets/'dog.png', '-m', models['vae'], '-o',
                               tmp_path/'v.json', '--search', 4, code=1).stderr
    tok1d('quickstart', pets/'dog.png', '-m', models['vq'], '-o', tmp_path/'q', '--search', 6)
    shown = json.loads((tmp_path/'q/tokens.json').read_text())
    assert shown['search']==6 and shown['images'][0]['ids']==best[0].tolist()
    tok1d('encode', pets/'dog.png', '-m', models['vq'], '-o', tmp_path/'short.json', '--search',
          6, '--tokens', 3)
    assert load_tokens(tmp_path/'short.json').tokens.shape==(1,3)

def test_quickstart_searches_where_it_can(models, pets, tmp_path):
    for name,tried in (('vq',4), ('vae',0)):
        r = tok1d('quickstart', pets/'dog.png', '-m', models[name], '-o', tmp_path/name)
        assert json.loads((tmp_path/name/'tokens.json').read_text())['search']==tried
        assert ('--search 0' in r.stdout)==bool(tried)

def test_first_look_comes_first(models, pets, tmp_path, monkeypatch):
    "The encoder's picture is on the disk before the search begins"
    seen = {}
    def refine(tok, rows, search):
        seen.update(json.loads((tmp_path/'q/tokens.json').read_text()),
                    picture=(tmp_path/'q/reconstructions.png').is_file())
        return rows
    monkeypatch.setattr('tok1d.reports.refine', refine)
    r = tok1d('quickstart', pets/'dog.png', '-m', models['vq'], '-o', tmp_path/'q')
    assert seen['search']==0 and seen['picture'] and 'First results' in r.stderr
    assert json.loads((tmp_path/'q/tokens.json').read_text())['search']==4

def test_what_a_crop_loses(models, tmp_path):
    (tmp_path/'in').mkdir()
    for name,size in (('tall',(40,300)), ('square',(64,64))):
        Image.new('RGB', size, 'teal').save(tmp_path/f'in/{name}.png')
    def run(*args):
        r = tok1d('quickstart', tmp_path/'in', '-m', models['vq'], '-o', tmp_path/'q',
                  '--search', 0, *args)
        return r.stderr, {
            i['name']: i['seen']
            for i in json.loads((tmp_path/'q/tokens.json').read_text())['images']
        }
    said,seen = run()
    assert '1 of 2 images' in said and 'tall.png to 13%' in said and '--pad' in said and seen=={
        'square.png': 1, 'tall.png': .133
    }
    said,seen = run('--pad')
    assert 'centre' not in said and set(seen.values())=={1}
    assert 'tall.png to 13%' in tok1d('encode', tmp_path/'in', '-m', models['vq'], '-o',
                                   tmp_path/'t.json').stderr
    tok1d('encode', tmp_path/'in', '-m', models['vq'], '-o', tmp_path/'padded.json', '--pad')
    cropped,padded = load_tokens(tmp_path/'t.json'),load_tokens(tmp_path/'padded.json')
    assert [a.equal(b) for a,b in zip(cropped.tokens, padded.tokens)]==[True,False]

def test_bits_of_a_vae(models, pets, tmp_path):
    r = tok1d('encode', pets/'dog.png', '-o', tmp_path/'v.safetensors', '-m', models['vae'])
    m = TiTok.from_pretrained(models['vae'])
    assert f'{m.num_tokens*m.token_size*32:,} bits in the file' in r.stdout
    assert f'{m.bits_per_image:,.0f} at 16 bits' in r.stdout
    assert load_tokens(tmp_path/'v.safetensors').tokens.dtype==torch.float32

# drawing

@pytest.fixture(scope='module')
def drawer(tmp_path_factory):
    "A generator that knows nothing"
    small = [
        f'model.generator.{k}' for k in ('hidden_size=64','num_hidden_layers=1',
                                         'num_attention_heads=2','intermediate_size=64')
    ]
    out = tmp_path_factory.mktemp('drawer')
    ImageBert(load_config('maskgit_tiny', small)).save_pretrained(out)
    return out

def test_one_folder_is_one_result(drawer, tmp_path, monkeypatch):
    draw = 'generate', '-m', drawer, '--steps', 1, '-c', 'critters'
    tok1d(*draw, '-n', 3, '-o', tmp_path/'a')
    (tmp_path/'a/pictures/mine.png').write_text('mine')
    before = files(tmp_path/'a')
    assert 'earlier run' in tok1d(*draw, '-n', 2, '-o', tmp_path/'a', code=1).stderr and files(
        tmp_path/'a')==before
    tok1d(*draw, '-n', 2, '-o', tmp_path/'a', '--force')
    listed = [p['file'] for p in json.loads((tmp_path/'a/tokens.json').read_text())['pictures']]
    assert files(tmp_path/'a')==sorted(
        ['grid.png','tokens.json','pictures/mine.png',*listed]) and len(listed)==2
    monkeypatch.chdir(tmp_path)
    for name in 'generate','generate-2','generate-3':
        assert f'outputs/{name}/grid.png' in tok1d(*draw, '-n', 1).stdout

def test_refused_before_drawing(drawer, tmp_path, monkeypatch):
    def never(*args, **kwargs): raise AssertionError('draws')
    monkeypatch.setattr('tok1d.sample.pipeline.Pipeline.tokens', never)
    def said(*args): return tok1d('generate', *args, '-o', tmp_path/'x', code=1).stderr

    assert ('--steps: RAR draws without it; what one may choose is --guidance, '
            '--guidance-pow') in said(
        '-m', 'tok1d-tiny-rar', '--steps', 8)
    for empty in '', ' ': assert 'empty' in said('-p', 'a red heart', '-p', empty)
    (tmp_path/'x').write_text('a file')
    assert 'is a file' in said('-m', drawer, '-c', 'critters')

def test_nothing_is_overwritten_silently(models, pets, tmp_path):
    f = tmp_path/'t.json'
    tok1d('encode', pets/'dog.png', '-o', f, '-m', models['vq'])
    before = f.read_bytes()
    tok1d('encode', pets/'cats', '-o', f, '-m', models['vq'], code=1)
    assert f.read_bytes()==before
    tok1d('encode', pets/'cats', '-o', f, '-m', models['vq'], '--force')
    assert f.read_bytes()!=before
    (tmp_path/'out').mkdir()
    (tmp_path/'out/tom.png').write_text('mine')
    tok1d('decode', f, '-o', tmp_path/'out', code=1)
    assert files(tmp_path/'out')==['tom.png'] and (tmp_path/'out/tom.png').read_text()=='mine'
    tok1d('decode', f, '-o', tmp_path/'out', '--force')
    assert files(tmp_path/'out')==['dog.png','tom.png']
    tok1d('encode', pets/'dog.png', '-o', pets, '-m', models['vq'], code=1)
    tok1d('encode', pets/'dog.png', '-o', tmp_path/'t.npz', '-m', models['vq'], code=1)

def test_encode_nothing_readable(models, pets, tmp_path):
    tok1d('encode', pets/'broken.png', pets/'notes.txt', '-o', tmp_path/'t.json', '-m',
          models['vq'], code=1)
    assert not (tmp_path/'t.json').exists()

def test_wrong_model(models, pets, tmp_path):
    tok1d('encode', pets/'dog.png', '-o', tmp_path/'t.json', '-m', models['vq'])
    assert 'codebook_size' in tok1d('decode', tmp_path/'t.json', '-o', tmp_path/'x', '-m',
                                    models['other'], code=1).stderr
    assert 'kind' in tok1d('decode', tmp_path/'t.json', '-o', tmp_path/'x', '-m', models['vae'],
                           code=1).stderr
    assert 'other weights' in tok1d('decode', tmp_path/'t.json', '-o', tmp_path/'x', '-m',
                                    models['twin'], code=1).stderr
    assert not (tmp_path/'x').exists()
    tok1d('decode', tmp_path/'t.json', '-o', tmp_path/'x', '-m', models['twin'], '--force')
    tok1d('decode', tmp_path/'t.json', '-o', tmp_path/'y', '-m', models['other'], '--force', code=1)

# files that somebody sent

@pytest.fixture
def good(models, pets, tmp_path):
    tok1d('encode', pets/'cats', '-o', tmp_path/'good.json', '-m', models['vq'])
    return json.loads((tmp_path/'good.json').read_text())

def change(d, path, value):
    d = json.loads(json.dumps(d))
    at = d
    for k in path[:-1]: at = at[k]
    at[path[-1]] = value
    return d

HOSTILE = [(('images',0,'name'), '../evil.png'), (('images',0,'name'), '/tmp/evil.png'),
           (('images',0,'name'), 'a/../../evil.png'), (('images',0,'name'), ''),
           (('images',0,'name'), 7), (('images',0,'name'), '\ud800'),
           (('images',0,'tokens',0), 10**6), (('images',0,'tokens',0), -1),
           (('images',0,'tokens',0), 10**400), (('images',0,'tokens',0), 1.5),
           (('images',0,'tokens',0), None), (('images',0,'tokens'), [1]),
           (('images',0,'tokens'), []), (('images',), []), (('images',), 'x'),
           (('images',), None), (('format',), 'tok1d-tokens-99'), (('source',), {}),
           (('source','codebook_size'), 10**9), (('source','num_tokens'), -1),
           (('source','kind'), 'pickle'), (('source','name'), 'evil/model'),
           (('source','name'), 'https://evil/x'), (('source','weights'), 'x')]

@pytest.mark.parametrize('path,value', HOSTILE, ids=lambda v: str(v)[:30])
def test_hostile_json(good, tmp_path, path, value):
    room = tmp_path/'room'
    room.mkdir()
    before = files(tmp_path)
    (room/'t.json').write_text(json.dumps(change(good, path, value)))
    tok1d('decode', room/'t.json', '-o', room/'deep/out', code=1)
    assert files(tmp_path)==sorted([*before,'room/t.json'])

def test_hostile_bytes(good, models, pets, tmp_path):
    tok1d('encode', pets/'cats', '-o', tmp_path/'g.safetensors', '-m', models['vq'])
    data,text = (tmp_path/'g.safetensors').read_bytes(),(tmp_path/'good.json').read_bytes()
    for name,content in {
            'a.json':b'', 'b.json':text[:-40], 'c.json':b'['*10**5, 'd.json':b'\xff\xfe',
            'e.json':data, 'a.safetensors':b'', 'b.safetensors':data[:-8], 'c.safetensors':text,
            'd.safetensors':(2**63).to_bytes(8,'little')+b'{}', 'e.safetensors':data[:60],
            'photo.safetensors':(pets/'dog.png').read_bytes()
    }.items():
        (tmp_path/name).write_bytes(content)
        assert name in tok1d('decode', tmp_path/name, '-o', tmp_path/'x', code=1).stderr
    tok1d('decode', pets, '-o', tmp_path/'x', code=1)
    tok1d('decode', pets/'dog.png', '-o', tmp_path/'x', code=1)
    tok1d('decode', f"{models['vq']}/model.safetensors", '-o', tmp_path/'x', code=1)
    assert not (tmp_path/'x').exists()

def test_a_vae_file_with_nan(models, pets, tmp_path):
    tok1d('encode', pets/'dog.png', '-o', tmp_path/'v.json', '-m', models['vae'])
    d = json.loads((tmp_path/'v.json').read_text())
    (tmp_path/'v.json').write_text(json.dumps(change(d, ('images',0,'tokens',0,0), float('nan'))))
    tok1d('decode', tmp_path/'v.json', '-o', tmp_path/'x', code=1)

def test_odd_names(models, tmp_path):
    d = tmp_path/'odd'
    d.mkdir()
    names = [
        'a b.png','日本.png','-o.png','c:d.png','new\nline.png','[bold].png', 'x'*250+'.png',
        os.fsdecode(b'caf\xe9.png')
    ]
    for n in names: Image.new('RGB', (8,8)).save(d/n, 'PNG')
    for suffix in '.json','.safetensors':
        tok1d('encode', d, '-o', tmp_path/f't{suffix}', '-m', models['vq'])
        tok1d('decode', tmp_path/f't{suffix}', '-o', tmp_path/f'out{suffix}')
        assert len(files(tmp_path/f'out{suffix}'))==len(names)
    tok1d('quickstart', d, '-m', models['vq'], '-o', tmp_path/'q')

# the rest

def test_list():
    from tok1d.hub.pretrained import DEFAULT
    assert DEFAULT in tok1d('quickstart', '--help').output and 'tok1d-tiny-vae' in tok1d(
        'list', 'vae').output and 'tok1d-tiny-vq' not in tok1d('list', 'vae').output
    tok1d('list', 'nothing', code=1)
    out = tok1d('list').output
    assert 'tok1d-tiny-vq' in out and 'tok1d-tiny-vae' in out and 'titok-l32' in out

@pytest.mark.parametrize('width', [40, 80, 120])
def test_list_fits_the_terminal(width):
    out = CliRunner().invoke(app, ['list'], env=dict(COLUMNS=str(width))).output
    longest = max(len(word) for word in out.split()) + 6 # a name that cannot be broken
    assert max(map(len, out.splitlines()))<=max(width, 60, longest) and 'titok-l32' in out

@pytest.mark.parametrize('args', [['--help'], ['list'], ['quickstart','--help'],
                                  ['generate','--nonsense'], ['decode','wörds.json','-o','x']])
def test_ascii_terminal(args):
    env = dict(os.environ, PYTHONIOENCODING='ascii', PYTHONUTF8='0', LC_ALL='C')
    r = subprocess.run([sys.executable, '-m', 'tok1d', *args], env=env, capture_output=True)
    assert b'Traceback' not in r.stderr and r.returncode in (0,1,2)

@pytest.mark.long
def test_broken_backend(pets, tmp_path):
    "A plotting backend that is set and does not work has no say in a training"
    env = dict(os.environ, MPLBACKEND='module://not_installed', PYTHONIOENCODING='ascii')
    args = ['train', 'config=titok_tiny_debug',
            f'dataset.params.train_shards_path_or_url={pets}',
            f'experiment.output_dir={tmp_path}/run',
            'training.max_train_steps=2', 'training.quantizer_start=0']
    r = subprocess.run([sys.executable, '-m', 'tok1d', *args], env=env, capture_output=True,
                       text=True)
    assert r.returncode==0 and 'Traceback' not in r.stderr, r.stderr

def test_config():
    assert 'titok_l32_stage1' in tok1d('config').output.split()
    assert 'seed: 7' in tok1d('config', 'titok_tiny_vq', 'training.seed=7').output
    assert 'training.seed' in tok1d('config', 'titok_tiny_vq', 'training.sed=7', code=1).stderr

def test_demo_unknown(): assert 'token_count' in tok1d('demo', 'nothing', code=1).stderr

def test_train_refusals(pets, tmp_path):
    assert 'titok_tiny_vq' in tok1d('train', 'config=titok_tini_vq', code=1).stderr
    assert 'max_train_steps' in tok1d('train', 'config=titok_tiny_debug',
                                      'training.max_trian_steps=3', code=1).stderr
    assert 'train_shards' in tok1d('train', 'config=titok_tiny_debug',
                                   f'experiment.output_dir={tmp_path}/run', code=1).stderr
    tok1d('train', 'config=titok_tiny_debug', f'experiment.output_dir={tmp_path}/run',
          f'dataset.params.train_shards_path_or_url={tmp_path}/none', code=1)
    assert not (tmp_path/'run').exists()

def test_train_then_use(pets, tmp_path):
    "A folder of images, with a broken one among them, to a model that every command takes"
    out = tmp_path/'run'
    tok1d('train', 'config=titok_tiny_debug', f'dataset.params.train_shards_path_or_url={pets}',
          f'experiment.output_dir={out}', 'training.max_train_steps=6')
    tok1d('encode', pets/'cats', '-o', tmp_path/'t.json', '-m', out)
    tok1d('decode', tmp_path/'t.json', '-o', tmp_path/'back')
    assert files(tmp_path/'back')==['dog.png','tom.png']

@pytest.mark.long
def test_demo_answers(models):
    "The page comes up on the port asked for, on this machine alone"
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, '-m', 'tok1d', 'demo', 'token_count', '--port',
         str(port), '-m', models['vq']], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True) as p:
        try:
            for _ in range(600):
                if p.poll() is not None: pytest.fail(p.stderr.read())
                try:
                    page = urllib.request.urlopen(f'http://127.0.0.1:{port}', timeout=5).read()
                    break
                except OSError: time.sleep(.2)
            assert b'tok1d' in page
        finally: p.terminate()

# a real process, as after installation: the embedded model, offline

@pytest.mark.long
def test_quickstart_for_real(tmp_path):
    env = dict(os.environ, HF_HUB_OFFLINE='1', CUDA_VISIBLE_DEVICES='')
    r = subprocess.run([sys.executable, '-m', 'tok1d', 'quickstart'], cwd=tmp_path, env=env,
                       capture_output=True, text=True, timeout=300)
    assert r.returncode==0, r.stderr
    assert files(tmp_path)==[
        'outputs/quickstart/reconstructions.png','outputs/quickstart/tokens.json']
    assert 'outputs/quickstart/reconstructions.png' in r.stdout and '100%' in r.stderr
    d = json.loads((tmp_path/'outputs/quickstart/tokens.json').read_text())
    counts = ['1','2','4','8','16','32','64','128']
    assert d['bits_per_image']==1280
    assert all(len(i['ids'])==128 and list(i['psnr'])==counts for i in d['images'])
    mean = list(d['mean_psnr'].values())
    assert mean==sorted(mean), mean
    assert d['search']==4 and d['mean_psnr']['32']>mean_psnr(
        go_through(load(), [Item(*s) for s in photos()+samples()], []))[32]+.5
