"Images become tokens once, whatever interrupts it and however many processes share it"
import json
import os
import signal
import time

import pytest
import torch
from ranks import ctx, finish, places
from tiny_tokens import BROKEN, N, pictures, tokenizer

def child(args, env):
    os.environ.update(env)
    torch.set_num_threads(1)
    from tok1d.train.pretokenize import main
    main(args)

def start(args, **env):
    p = ctx.Process(target=child, args=([str(a) for a in args], env))
    p.start()
    return p

def pair(args): return [start(args, **env) for env in places(2)]

def contents(folder):
    return {f.name: f.read_bytes() for f in sorted(folder.glob('[!.]*.safetensors'))}

@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    "Arguments of a job but for its folder, and the folder of one that nobody disturbs"
    base = tmp_path_factory.mktemp('pretokenize')
    args = [
        '--tokenizer',
        tokenizer(base/'tokenizer'), '--augment', 'flip', '--shard-size', 3, '--batch-size', 4,
        '--cpu']
    data = pictures(base/'data')
    finish([start([data, base/'whole', *args])])
    return data, args, base/'whole'

def test_every_image_once(whole):
    from tok1d.data.token_shards import TokenDataset, read_manifest
    data, _, out = whole
    ds = TokenDataset(str(out))
    rows = [ds[i] for i in range(len(ds))]
    want = [f'class-{c}/{i:02}.png' for c in (0, 1) for i in range(c, N, 2) if i != BROKEN]
    assert [r['key'] for r in rows[::2]] == [r['key'] for r in rows[1::2]] == want
    assert {r['cls'] for r in rows if r['key'].startswith('class-1')} == {1}
    m = read_manifest(out)
    assert (m['complete'], m['images'], m['rows'], m['skipped'],
            len(m['shards'])) == (True, N, 2*(N-1), 1, N//3)
    assert m['source']['weights'] and m['variants'] == ['centre', 'centre, mirrored']

def test_mirror_images(whole):
    "The second variant is what the mirrored image would have given"
    from tok1d.data.token_shards import TokenDataset
    from tok1d.hub.pretrained import load
    from tok1d.train.pretokenize import centre
    data, args, out = whole
    model = load(args[1])
    ds = TokenDataset(str(out))
    images = torch.cat(
        [centre(16, True).make((data/f'class-0/{i:02}.png').read_bytes(), 0, 0) for i in (0, 2)])
    with torch.no_grad():
        assert model.encode(images).tokens.equal(torch.stack([ds[r]['tokens'] for r in range(4)]))

def test_killed(whole, tmp_path):
    "SIGKILL somewhere in the middle; the same command goes on, and nothing shows"
    data, args, want = whole
    out = tmp_path/'tokens'
    p = start([data, out, *args])
    while p.is_alive() and len(contents(out)) < 4: time.sleep(.001)
    assert p.is_alive()
    os.kill(p.pid, signal.SIGKILL)
    p.join()
    done = {f: os.stat(out/f).st_mtime_ns for f in contents(out)}
    assert 4 <= len(done) < N//3 and not json.loads((out/'manifest.json').read_text())['complete']
    (out/'.tmp-0-000019.safetensors').write_bytes(b'half')
    finish([start([data, out, *args])])
    assert contents(out) == contents(want) and not list(out.glob('.*'))
    assert done == {f: os.stat(out/f).st_mtime_ns
                    for f in done}, 'what was complete is not done again'

def test_two_processes(whole, tmp_path):
    "Two are killed, one goes on alone: the same shards as one process makes"
    data, args, want = whole
    out = tmp_path/'tokens'
    ps = pair([data, out, *args])
    while all(p.is_alive() for p in ps) and len(contents(out)) < 3: time.sleep(.001)
    for p in ps: os.kill(p.pid, signal.SIGKILL)
    for p in ps: p.join()
    finish(pair([data, out, *args]))
    assert contents(out) == contents(want)

def test_refused(whole, tmp_path):
    "Neither a mixture of two ways, nor half a set taken for a whole"
    from tok1d.data.token_shards import TokenDataset
    data, args, want = whole
    p = start([data, want, *args, '--seed', 3])
    p.join(120)
    assert p.exitcode == 1
    other = tokenizer(tmp_path/'other', seed=1)
    p = start([data, want, *args, '--tokenizer', other])
    p.join(120)
    assert p.exitcode == 1
    half = tmp_path/'half'
    half.mkdir()
    m = json.loads((want/'manifest.json').read_text())
    (half/'manifest.json').write_text(json.dumps(m | dict(complete=False)))
    (half/'000000.safetensors').write_bytes((want/'000000.safetensors').read_bytes())
    with pytest.raises(ValueError, match='not finished: 1 of 20'): TokenDataset(str(half))
