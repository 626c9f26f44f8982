"""Any number of processes continues exactly

Also where a checkpoint falls between two revivals; another number is told.
"""
import shutil
import pytest, torch
from ranks import launch, run_train
from tiny_runs import arguments, pictures, records

STEPS, SAVE = 12, 4
MORE = [
    f'training.max_train_steps={STEPS}', f'experiment.save_every={SAVE}', 'training.revive_every=3',
    'experiment.log_every=5', 'training.quantizer_start=2', 'training.keep_checkpoints=3',
    'training.gradient_accumulation_steps=1']


def finish(args, world, folder):
    "Train to the end; what the first process said"
    codes, said = launch(run_train, (args,), world, folder)
    assert codes == [0]*world, '\n'.join(said)
    return said[0]


class Runs:
    "One undisturbed run for each number of processes"
    def __init__(self, base):
        self.base, self.data, self.whole = base, pictures(base/'data', n=24), {}

    def arguments(self, out): return arguments(self.data, out, *MORE)

    def cut(self, world, step, out):
        "Make the folder of a run that was cut after `step`; its undisturbed twin"
        if world not in self.whole:
            self.whole[world] = self.base/f'whole-{world}'
            finish(self.arguments(self.whole[world]), world, self.base)
        shutil.copytree(self.whole[world], out)
        for p in out.glob('checkpoint-*'):
            if int(p.name[-8:]) > step: shutil.rmtree(p)
        (out/'model.safetensors').unlink()
        return self.whole[world]


@pytest.fixture(scope='module')
def runs(tmp_path_factory): return Runs(tmp_path_factory.mktemp('ranks'))


@pytest.mark.parametrize('world', [2, pytest.param(4, marks=pytest.mark.long)])
def test_exact(runs, tmp_path, world):
    """Eight steps and four are twelve

    Codes are revived at 3, 6, 9 and 12, lines logged at 5 and 10, checkpoints written at 4, 8 and
    12.
    """
    out = tmp_path/'cut'
    whole = runs.cut(world, 8, out)
    plan = finish(runs.arguments(out), world, tmp_path)
    assert 'checkpoint-00000008' in plan and ' note ' not in plan
    assert any(r.get('revived') for r in records(whole)
               if r['step'] > 8), 'the test would prove nothing'
    assert (whole/'model.safetensors').read_bytes() == (out/'model.safetensors').read_bytes()
    assert records(whole) == records(out)
    for r in range(world):
        one, two = (torch.load(x/'checkpoint-00000012'/f'process-{r}.pt', weights_only=True)
                    for x in (whole, out))
        assert torch.equal(one['rng']['torch'], two['rng']['torch'])
        assert one['data'] == two['data'] and one['callbacks'].keys() == two['callbacks'].keys()


def test_another_number(runs, tmp_path):
    "The plan tells it, and the run goes on to its end"
    out = tmp_path/'cut'
    runs.cut(2, 8, out)
    plan = finish(runs.arguments(out), 1, tmp_path)
    assert 'saved by 2 processes and continued by 1' in plan
    assert [r['step'] for r in records(out) if r['kind'] == 'train'] == [5, 10]
