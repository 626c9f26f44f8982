"Generators train on tokens or images, alone or in pairs, and continue where they were killed"
import json, os, signal, time
import pytest, torch
from ranks import finish, places
from safetensors.torch import load_file
from tiny_runs import records, start
from tiny_tokens import pictures, tokenizer

STEPS = 8

def arguments(kind, tokens, out, *more):
    "A tiny recipe with every kind of randomness: masks or orders, dropped labels, dropout"
    return [
        f'config={kind}_tiny', f'experiment.output_dir={out}',
        f'dataset.params.train_shards_path_or_url={tokens}', 'model.vq_model.codebook_size=32',
        'model.vq_model.num_latent_tokens=4', 'model.generator.hidden_size=32',
        'model.generator.num_hidden_layers=2', 'model.generator.num_attention_heads=2',
        'model.generator.intermediate_size=64', 'model.generator.condition_num_classes=2',
        'model.generator.randomness_anneal_start=3', 'model.generator.randomness_anneal_end=6',
        'experiment.tokenizer_checkpoint=null', 'training.per_gpu_batch_size=4',
        f'training.max_train_steps={STEPS}', 'experiment.save_every=2', 'experiment.log_every=2',
        'experiment.eval_every=4', 'experiment.generate_every=4', 'training.num_generated_images=4',
        'lr_scheduler.params.warmup_steps=2', 'lr_scheduler.params.decay_steps=4',
        'dataset.preprocessing.crop_size=16', 'dataset.preprocessing.resize_shorter_edge=16', *more
    ]

def pair(args): return [start(args, **env) for env in places(2)]

def weights(out): return load_file(out/'model.safetensors')

@pytest.fixture(scope='module')
def tokens(tmp_path_factory):
    "40 lines of 4 tokens in two shards, and the same as a published text file"
    import numpy as np
    from tok1d.data.token_shards import ShardInfo, TokenDataset, write_token_shard
    from tok1d.data.tokens import Source
    base = tmp_path_factory.mktemp('tokens')
    rng = np.random.default_rng(0)
    info = ShardInfo(Source('toy', 'vq', 4, 32, 4, 16, 'f'*16), ['centre', 'centre, mirrored'], [])
    for k in range(2):
        write_token_shard(base/f'{k}.safetensors', rng.integers(0, 32, (10, 2, 4)), info,
                          [f'{k}-{i}' for i in range(10)], [i%2 for i in range(10)], ['']*10)
    ds = TokenDataset(str(base))
    (base/'lines.jsonl').write_text(''.join(
        json.dumps(dict(class_id=r['cls'], tokens=r['tokens'].tolist())) + '\n'
        for r in map(ds.__getitem__, range(40))))
    return base

@pytest.fixture(scope='module')
def whole(tokens, tmp_path_factory):
    "For each family the folder of a run that nobody disturbs"
    base = tmp_path_factory.mktemp('whole')
    ps = [
        start(
            arguments(kind, tokens, base/kind,
                      f'dataset.params.eval_shards_path_or_url={tokens}/1.safetensors'))
        for kind in ('maskgit', 'rar')
    ]
    finish(ps)
    return base

@pytest.mark.parametrize('kind', ['maskgit', 'rar'])
def test_killed(kind, whole, tokens, tmp_path):
    out = tmp_path/kind
    args = arguments(kind, tokens, out,
                     f'dataset.params.eval_shards_path_or_url={tokens}/1.safetensors')
    p = start(args)
    while p.is_alive() and not (out/'checkpoint-00000004').exists(): time.sleep(.001)
    os.kill(p.pid, signal.SIGKILL)
    p.join()
    assert not (out/'model.safetensors').exists()
    finish([start(args)])
    assert (out/'model.safetensors').read_bytes() == (whole/kind/'model.safetensors').read_bytes()
    assert records(out) == records(whole/kind)

@pytest.mark.parametrize('kind', ['maskgit', 'rar'])
def test_what_a_run_leaves(kind, whole):
    from tok1d.hub.pretrained import load
    out = whole/kind
    logs = records(out)
    held = [r for r in logs if r['kind'] == 'eval']
    assert {(r['step'], r['on'])
            for r in held} == {(s, n)
                               for s in (4, 8)
                               for n in ('1', 'training')} and all(r['cross_entropy'] > 0
                                                                   for r in held)
    if kind == 'rar':
        assert [r['random_share'] for r in logs
                if r['kind'] == 'train'] == pytest.approx([1, 1, 1/2, 0], abs=.2)
    model = load(out)
    assert model.generate(torch.tensor([0, 1, 1]), seed=0).shape == (3, 4)

def test_published_lines(whole, tokens, tmp_path):
    "The published text file trains the same model as the shards"
    finish([
        start(
            arguments('rar', 'nowhere', tmp_path/'run',
                      f'dataset.params.pretokenization={tokens}/lines.jsonl',
                      f'dataset.params.cache_dir={tmp_path}/cache',
                      f'dataset.params.eval_shards_path_or_url={tokens}/1.safetensors'))
    ])
    for k, v in weights(tmp_path/'run').items(): assert v.equal(weights(whole/'rar')[k]), k

def test_as_many_as_one(tokens, tmp_path):
    "Two processes of two lines take the step of one process of four, with nothing left to chance"
    more = (
        'model.generator.dropout=0',
        'model.generator.attn_drop=0',
        'model.generator.class_label_dropout=0',
        'model.generator.randomness_anneal_start=0',
        'model.generator.randomness_anneal_end=0',
        'training.max_train_steps=3',
        # in bfloat16, which Muon too uses where a CPU has it, sums depend on how a batch is
        # divided
        'training.mixed_precision=no',
        'optimizer.name=adamw')
    ps = pair(arguments('rar', tokens, tmp_path/'two', *more, 'training.per_gpu_batch_size=2'))
    finish([*ps, start(arguments('rar', tokens, tmp_path/'one', *more))])
    two, one = (load_file(tmp_path/n/'checkpoint-00000003'/'model.safetensors')
                for n in ('two', 'one'))
    for k in one:
        torch.testing.assert_close(one[k], two[k], rtol=1e-3, atol=1e-4, msg=lambda m: f'{k}: {m}')

def test_recomputed_activations(whole, tokens, tmp_path):
    "training.grad_checkpointing changes what is kept, not what is learned"
    for kind in ('maskgit', 'rar'):
        finish([
            start(
                arguments(kind, tokens, tmp_path/kind,
                          f'dataset.params.eval_shards_path_or_url={tokens}/1.safetensors',
                          'training.grad_checkpointing=true'))
        ])
        for k, v in weights(tmp_path/kind).items():
            torch.testing.assert_close(v,
                                       weights(whole/kind)[k], rtol=1e-4, atol=1e-6,
                                       msg=lambda m: f'{kind}, {k}: {m}')

def test_from_images(tmp_path):
    "Images are encoded on the way, in two processes, and previews are drawn"
    data, tok = pictures(tmp_path/'data', 20), tokenizer(tmp_path/'tokenizer')
    more = (f'experiment.tokenizer_checkpoint={tok}',
            f'dataset.params.eval_shards_path_or_url={data}', 'training.per_gpu_batch_size=2',
            'training.max_train_steps=4')
    finish(pair(arguments('maskgit', data, tmp_path/'run', *more)))
    assert [p.name for p in (tmp_path/'run'/'previews').iterdir()] == ['00000004.png']
    assert {r['on'] for r in records(tmp_path/'run') if r['kind'] == 'eval'} == {'data'}

def test_tokens_of_another(tokens, tmp_path):
    "Tokens are refused if another tokenizer made them, or if the model takes others"
    from tok1d.config import load_config
    from tok1d.data.token_shards import open_tokens
    from tok1d.train.given import check_token_data as check_tokens, load_tokenizer
    tok = tokenizer(tmp_path/'tokenizer')
    cfg = lambda *more: load_config('rar_tiny', arguments('rar', tokens, tmp_path/'x', *more)[1:])
    model = load_tokenizer(cfg(f'experiment.tokenizer_checkpoint={tok}'))
    sources = open_tokens(str(tokens))
    check_tokens(cfg(), sources, None)
    with pytest.raises(ValueError, match='other weights'):
        check_tokens(cfg(f'experiment.tokenizer_checkpoint={tok}'), sources, model)
    with pytest.raises(ValueError, match='model.vq_model.codebook_size=32'):
        check_tokens(cfg('model.vq_model.codebook_size=64'), sources, None)
    with pytest.raises(ValueError, match='image_seq_len=4'):
        check_tokens(cfg('model.generator.image_seq_len=8'), sources, None)
    with pytest.raises(ValueError, match='classes 0 to 1'):
        check_tokens(cfg('model.generator.condition_num_classes=1'), sources, None)
