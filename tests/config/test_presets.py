"Presets inherit: what comes out of them is what it was, and no number is written twice"
import hashlib
import json
from functools import cache

import pytest
import yaml

from tok1d import config
from tok1d.config import list_presets, load_config, read_file, save_config, to_dict
from tok1d.hub.pretrained import BARE, list_pretrained
from tok1d.sample import autoregressive, masked

FILES = sorted(config._presets().rglob('*.yaml'))
# of all that differs from the defaults; a preset that is changed on purpose gets a new one
DIGESTS = {
    'maskgen_kl_l': '9f11312f124f', 'maskgen_kl_tiny': '817f93b13cbe',
    'maskgen_kl_xl': 'ba80f7721f4b', 'maskgen_vq_l': '42337bcc4d95',
    'maskgen_vq_tiny': '997eab93312d', 'maskgen_vq_xl': '961fb0c31372',
    'maskgit_b64': '56979df606c9', 'maskgit_l32': '5a8604a840f7',
    'maskgit_s128': '8f619e9bd9da', 'maskgit_tiny': '34315773ebd5',
    'rar_b': 'c74cc067673e', 'rar_l': '279505da4537',
    'rar_tiny': '234971f53743', 'rar_tiny_grid': '5676d84daae9',
    'rar_xl': '17b1f0650896', 'rar_xxl': '0291d3d6e18b',
    'tatitok_bl128_vq': 'b16ca5c4dfc5',
    'tatitok_bl32_vae': '01c5067b062c', 'tatitok_bl32_vq': 'd7e6891f06f8',
    'tatitok_bl64_vae': '87decf5a6870', 'tatitok_bl64_vq': '445c0554029b',
    'tatitok_sl128_vae': '50dd09f1660a', 'tatitok_tiny_vae': 'd6df802daa12',
    'tatitok_tiny_vq': '52877bde2bbb', 'text_tower_tiny': 'd7a03b89db01',
    'titok_b64_stage1': '9f3ae2a6ecc7', 'titok_b64_stage2': '514484c143c6',
    'titok_bl128_vae': '5890363b153c', 'titok_bl128_vq': 'b0ff822d09e1',
    'titok_bl64_vae': '90924029a78e', 'titok_bl64_vq': '1d3ad021f871',
    'titok_l32_stage1': 'a07939d61646', 'titok_l32_stage2': 'c849baddd39d',
    'titok_ll32_vae': '005c88635838', 'titok_s128_stage1': '9018d3c624a7',
    'titok_s128_stage2': '857aed188be3', 'titok_sl256_vq': '64dde0480274',
    'titok_tiny_debug': 'e519d74b1633', 'titok_tiny_fsq': '88df01553e09',
    'titok_tiny_residual': 'c0abe74eaea5', 'titok_tiny_stage1': '7df7d338f96b',
    'titok_tiny_stage2': '7807758902eb',
    'titok_tiny_vae': 'e0aae95a1b88', 'titok_tiny_vq': '817904b9b57a',
    'vqgan_tiny': 'ba51cf1620a5',
}
loaded = cache(load_config)
each = pytest.mark.parametrize('name', list_presets())

def digest(cfg):
    text = json.dumps(to_dict(cfg), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]

def test_every_preset_is_listed(): assert [*DIGESTS] == list_presets()

@each
def test_merged_as_before(name): assert digest(loaded(name)) == DIGESTS[name]

@pytest.mark.parametrize('path', FILES, ids=lambda p: p.stem)
def test_says_only_what_differs(path):
    tree = yaml.safe_load(path.read_text(encoding='utf-8'))
    inherited = {}
    for base in config._take_bases(tree, path): inherited |= read_file(base)
    own = config._flatten(tree)
    again = [k for k, v in own.items() if k in inherited and inherited[k] == v]
    assert not again, f'{path.name} repeats what its base says'

@pytest.mark.parametrize('name', ['titok_s128_stage2', 'maskgen_kl_xl', 'rar_tiny'])
def test_a_run_keeps_the_merged_result(name, tmp_path):
    saved = save_config(loaded(name), tmp_path/'config.yaml')
    assert 'base' not in yaml.safe_load(saved.read_text(encoding='utf-8'))
    assert load_config(tmp_path) == loaded(name)

# where else the numbers stand

@pytest.mark.parametrize('name', [n for n in masked.PRESETS if n.startswith('maskgit')])
def test_sampler_of_maskgit(name):
    "The exponent of power-cosine guidance is the published code's own, and no key of its files"
    g = loaded(name.replace('-', '_')).model.generator
    preset = dict(masked.PRESETS[name])
    preset.pop('guidance_pow', None)
    assert preset == dict(steps=g.num_steps, guidance=g.guidance_scale,
                          guidance_decay=g.guidance_decay, temperature=g.randomize_temperature,
                          annealing=g.softmax_temperature_annealing)

@pytest.mark.parametrize('name', [n for n in autoregressive.PRESETS if n.startswith('rar')])
def test_sampler_of_rar(name):
    g = loaded(name.replace('-', '_')).model.generator
    assert autoregressive.PRESETS[name] == dict(
        guidance=g.guidance_scale, guidance_pow=g.guidance_scale_pow,
        temperature=g.randomize_temperature)

@pytest.mark.parametrize('name', [n for n in BARE if n.startswith('rar')])
def test_bare_weights_of_rar(name):
    "Published RAR weights come without a configuration; the one we give them is the preset's"
    preset = read_file(name.replace('-', '_'))
    given = config._flatten(BARE[name][1])
    assert given == {k: preset[k] for k in given}

def preset_of(row):
    "Name of the preset that trains a published checkpoint"
    name = row.name.replace('-', '_')
    return f'{name}_stage2' if name in ('titok_l32', 'titok_b64', 'titok_s128') else name

ROWS = {r.name: r for r in list_pretrained() if not r.embedded and preset_of(r) in list_presets()}

def test_rows(): assert len(ROWS) > 20

@pytest.mark.parametrize('name', ROWS)
def test_table_of_checkpoints(name):
    row = ROWS[name]
    cfg = loaded(preset_of(row))
    assert (cfg.model.vq_model.num_latent_tokens, cfg.model.vq_model.codebook_size) == (
        row.tokens, row.codebook)
    if row.tokenizer: assert cfg.experiment.tokenizer_checkpoint == row.tokenizer

@pytest.mark.parametrize('name', [n for n, r in ROWS.items() if r.tokenizer in ROWS])
def test_generators_have_their_tokenizers_network(name):
    network = [f'model.vq_model.{k}' for k in (
        'quantize_mode', 'codebook_size', 'token_size', 'use_l2_norm', 'vit_enc_model_size',
        'vit_dec_model_size', 'num_latent_tokens', 'finetune_decoder', 'is_legacy')]
    here, there = (read_file(preset_of(ROWS[n])) for n in (name, ROWS[name].tokenizer))
    assert {k: here.get(k) for k in network} == {k: there.get(k) for k in network}

# files of one's own

def test_of_a_users_own(tmp_path):
    (tmp_path/'first.yaml').write_text('base: titok_l32_stage1\ntraining: {seed: 7}\n')
    (tmp_path/'inner').mkdir()
    (tmp_path/'inner/second.yaml').write_text(
        'base: [../first.yaml, parts/titok_b64.yaml]\nexperiment: {init_weight: w.bin}\n')
    (tmp_path/'inner/w.bin').touch()
    cfg = load_config(tmp_path/'inner/second.yaml', ['training.max_train_steps=3'])
    assert (cfg.training.seed, cfg.training.max_train_steps) == (7, 3)
    assert cfg.model.vq_model.num_latent_tokens == 64 and cfg.losses.quantizer_weight == 1.
    assert cfg.experiment.init_weight == str(tmp_path/'inner/w.bin')

def test_a_run_is_a_base(tmp_path):
    save_config(load_config('rar_b', ['training.seed=9']), tmp_path/'run/config.yaml')
    (tmp_path/'next.yaml').write_text(f'base: {tmp_path}/run\nexperiment: {{name: next}}\n')
    assert load_config(tmp_path/'next.yaml').training.seed == 9

def test_a_json_has_no_base(tmp_path):
    (tmp_path/'config.json').write_text('{"base": "rar_b"}')
    with pytest.raises(ValueError, match="unknown key 'base'"): load_config(tmp_path)

def test_hostile(tmp_path):
    "A file that is named twice at each of 40 levels is read once"
    (tmp_path/'0.yaml').write_text('training: {seed: 5}\n')
    for i in range(1, 41): (tmp_path/f'{i}.yaml').write_text(f'base: [{i-1}.yaml, {i-1}.yaml]\n')
    assert load_config(tmp_path/'40.yaml').training.seed == 5
    (tmp_path/'0.yaml').write_text('base: 40.yaml\n')
    with pytest.raises(ValueError, match='in a circle: 40.yaml → '):
        load_config(tmp_path/'40.yaml')
