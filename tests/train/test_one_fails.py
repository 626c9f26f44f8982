"What fails in one process ends all of them at once, with its message"
import json
import pytest
from ranks import launch, run_train
from tiny_runs import arguments, pictures
from tok1d.train.checkpoints import lock


class Points:
    "Points for one rank; of the third batch one may be none, or the disk may be gone"
    def __init__(self, rank, fault): self.rank, self.fault = rank, fault
    def __iter__(self):
        import torch
        for i in range(1, 10):
            x = torch.ones(4, 2)
            if i == 3 and self.rank == 1 and self.fault == 'nan': x[0] = float('nan')
            if i == 3 and self.rank == 1 and self.fault == 'data':
                raise OSError('the share with the pictures is gone')
            yield dict(image=x, key=[f'{self.rank}-{i}'])
    def state_dict(self):
        if self.rank == 1 and self.fault == 'save': raise OSError(28, 'No space left on device')
        return {}


def run(folder):
    "All faults in turn; what this process was told"
    from torch import nn
    from tok1d.train.checkpoints import Checkpoints
    from tok1d.train.loop import Callback, Task, agreed, fit, make_accelerator, make_state
    from tok1d.train.schedules import make_optimizers, make_schedulers

    class Square(Task):
        def forward(self, batch, step, generator):
            return dict(loss=self.model(batch['image']).pow(2).mean()), {}

    class Fails(Callback):
        def __init__(self, rank, hook): self.rank, self.hook = rank, hook
        def fail(self, st, hook):
            if hook == self.hook and st.acc.process_index == self.rank:
                raise RuntimeError(f'{hook} fails here')
        def start(self, st): self.fail(st, 'start')
        def rehearse(self, st): self.fail(st, 'rehearse')

    def one(fault):
        task = Square(nn.Linear(2, 1))
        opts = dict(model=make_optimizers(task.model, lr=.1))
        acc = make_accelerator(cpu=True)
        st = make_state(task, Points(acc.process_index, fault), opts,
                        dict(model=make_schedulers(opts['model'], steps=6)), acc, 6)
        try: fit(st, [Fails(0, fault), Checkpoints(folder/fault, 4)])
        except Exception as error:
            said = dict(kind=type(error).__name__, text=str(error), agreed=agreed(error),
                        step=st.step)
        said['finite'] = all(p.isfinite().all().item() for p in task.parameters())
        said['left'] = sorted(p.name for p in (folder/fault).glob('*')) + sorted(
            p.name for p in (folder/fault).glob('.checkpoint*'))
        return said, st

    told = {}
    for fault in ('nan', 'data', 'save', 'start', 'rehearse'): told[fault], st = one(fault)
    print(json.dumps(told))
    st.nets.clear()
    st.acc.end_training()


@pytest.fixture(scope='module')
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp('fails')
    codes, said = launch(run, (folder,), 2, folder)
    assert codes == [0, 0], '\n'.join(said)
    return [json.loads(s.strip().splitlines()[-1]) for s in said]


def test_nan(told):
    "Both name the process and the sample, before either has changed a weight"
    first, second = (t['nan'] for t in told)
    assert first == second and first['kind'] == 'FloatingPointError' and first[
        'step'] == 2 and first['finite']
    assert first['text'].startswith(
        'The loss is not finite at step 3 (process 1;') and "'1-3'" in first['text']

@pytest.mark.parametrize('fault, rank, text', [('data', 1, 'the share with the pictures is gone'),
                                               ('save', 1, 'No space left on device'),
                                               ('start', 0, 'start fails here'),
                                               ('rehearse', 0, 'rehearse fails here')])
def test_told(told, fault, rank, text):
    own, other = told[rank][fault], told[1 - rank][fault]
    assert text in own['text'] and own['agreed'] and own['kind'] in ('OSError', 'RuntimeError')
    assert other['kind'] == 'Elsewhere' and other['agreed'] and text in other[
        'text'] and f'process {rank} failed' in other['text']
    assert own['step'] == other['step'] and own['left'] == other['left'] == []


def test_lock(tmp_path):
    "The first process finds the folder in use: the second does not wait for it"
    out = tmp_path/'run'
    with lock(out):
        codes, said = launch(run_train, (arguments(pictures(tmp_path/'data'), out),), 2, tmp_path)
    assert codes == [1, 1]
    assert all('is in use by another run' in s and 'Traceback' not in s for s in said), said
    assert not list(out.glob('checkpoint-*'))
