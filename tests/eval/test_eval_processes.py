"Moments gathered by several processes are those of one"
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from tok1d.eval.metrics import Moments

def data():
    return torch.randn(101, 5, generator=torch.Generator().manual_seed(0),
                       dtype=torch.float64) + 100

def gather(rank, world, place, out):
    dist.init_process_group('gloo', init_method=f'file://{place}', rank=rank, world_size=world)
    total = Moments(5).add(data()[rank::world]).over_processes()
    torch.save((total.n, total.mean, total.cov), f'{out}/{rank}.pt')
    dist.destroy_process_group()

def test_over_processes(tmp_path):
    mp.spawn(gather, (2, tmp_path/'meet', tmp_path), nprocs=2)
    want = Moments(5).add(data())
    for rank in range(2):
        n, mean, cov = torch.load(tmp_path/f'{rank}.pt', weights_only=True)
        assert n == 101
        torch.testing.assert_close(mean, want.mean, rtol=1e-12, atol=0)
        torch.testing.assert_close(cov, want.cov, rtol=1e-9, atol=1e-10)
