"Online clustering over several processes updates the codebook as one process with the whole batch does"
import pytest, torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.testing import assert_close
from tok1d.models.quantizer import VQ

STEPS, ROWS = 3, 4


def latents(step): return torch.randn(ROWS, 8, 6, generator=torch.Generator().manual_seed(step))


def codebook(rank=0, world=1, l2=False):
    torch.manual_seed(0)
    vq = VQ(24, 6, use_l2_norm=l2, clustering_vq=True).train()
    for s in range(STEPS): vq(latents(s)[rank::world])
    return vq.state_dict()


def worker(rank, world, folder, l2):
    torch.set_num_threads(1)
    dist.init_process_group('gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=world)
    torch.save(codebook(rank, world, l2), f'{folder}/{rank}.pt')
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.parametrize('l2', [False, True])
def test_two_ranks_equal_one(tmp_path, l2):
    mp.spawn(worker, (2, str(tmp_path), l2), nprocs=2)
    whole = codebook(l2=l2)
    start = VQ(24, 6).embedding.weight
    assert not torch.allclose(whole['embedding.weight'], start)
    for r in range(2):
        for k, v in torch.load(tmp_path/f'{r}.pt', weights_only=True).items(): assert_close(v, whole[k], msg=f'rank {r}: {k}')
