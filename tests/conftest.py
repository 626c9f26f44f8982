"What several tests share"
import multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor

import pytest, torch


@pytest.fixture(scope='module')
def call():
    "`call(backend, case, …)` runs a case here, or in a process whose Triton interprets"
    with pytest.MonkeyPatch.context() as env, ProcessPoolExecutor(1, mp.get_context('spawn'), torch.set_num_threads, (1,)) as pool:
        env.setenv('TRITON_INTERPRET', '1')
        def run(backend, case, *args):
            if backend != 'triton': return case(backend, *args)
            return pool.submit(case, backend, *args).result()
        yield run
