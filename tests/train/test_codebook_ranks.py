"""Online clustering over several processes

It updates the codebook exactly as gathering all latents on every rank does.
"""
import pytest, ranks, torch  # ranks: processes that need not import torch again
import torch.distributed as dist
import torch.multiprocessing as mp
from tok1d.models.quantizer import DECAY, VQ, code_counts
from tok1d.ops.nearest import sq_distances

STEPS, ROWS = 3, 8


def latents(step):
    "Some of them twice, so that ranks tie"
    z = torch.randn(ROWS, 8, 6, generator=torch.Generator().manual_seed(step))
    z[5] = z[2]
    return z


@torch.no_grad()
def gathered(vq, z):
    "The published step: distances of all latents to all codes, in one place"
    z = z.flatten(0, 1)
    d = sq_distances(vq.norm(z), vq.codes)
    vq.embed_prob.mul_(DECAY).add_(
        code_counts(d.argmin(1), len(vq.codes)).float()/len(z), alpha=1 - DECAY)
    a = torch.exp(-vq.embed_prob*len(vq.codes)*10/(1 - DECAY) - 1e-3)[:, None]
    w = vq.embedding.weight
    w.copy_(w*(1 - a) + z[d.argmin(0)]*a)


def codebook(l2, step):
    torch.manual_seed(0)
    vq = VQ(24, 6, use_l2_norm=l2, clustering_vq=True).train()
    for s in range(STEPS): step(vq, latents(s))
    return vq.state_dict()


def worker(rank, world, folder):
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{folder}/meet', rank=rank,
                            world_size=world)
    own = ROWS//world
    books = [codebook(l2, lambda vq, z: vq(z[rank*own:(rank + 1)*own])) for l2 in (False, True)]
    torch.save(books, f'{folder}/{rank}.pt')
    dist.barrier()
    dist.destroy_process_group()


def assert_same(book, want):
    assert not torch.allclose(book['embedding.weight'],
                              codebook(False, lambda vq, z: None)['embedding.weight'])
    for k, v in want.items(): assert torch.equal(book[k], v), k


@pytest.mark.parametrize('world', [2, pytest.param(4, marks=pytest.mark.long)])
def test_ranks_equal_gathered(tmp_path, world):
    mp.start_processes(worker, (world, str(tmp_path)), world, start_method='forkserver')
    for l2 in False, True:
        for r in range(world):
            assert_same(
                torch.load(tmp_path/f'{r}.pt', weights_only=True)[l2], codebook(l2, gathered))


@pytest.mark.parametrize('l2', [False, True])
def test_one_process(l2): assert_same(codebook(l2, lambda vq, z: vq(z)), codebook(l2, gathered))
