"""What the log, the alarm and the codebook count is what all processes saw

However often a run is cut, and whoever continues it.
"""
import torch
from torch import nn
from ranks import launch

STEPS, SAVE, EVERY, CODES = 11, 4, 5, 8  # nothing falls together


def value(rank, i): return float(rank*100 + i*i)
def chosen(rank, i): return (i*(rank + 2) + rank) % CODES


class Numbers:
    "Batch i of a rank: one number, and the code it chooses"
    def __init__(self, rank): self.rank, self.i = rank, 0
    def __iter__(self):
        while True:
            self.i += 1
            yield dict(image=torch.tensor([value(self.rank, self.i)]),
                       ids=torch.tensor([[chosen(self.rank, self.i)]]))
    def state_dict(self): return dict(i=self.i)
    def load_state_dict(self, state): self.i = state['i']


def run(folder, until, every=SAVE):
    "Count from the newest checkpoint on"
    from tok1d.models.quantizer import VQ
    from tok1d.train.callbacks import Alarms, Codebook, JSONLog, Metrics
    from tok1d.train.checkpoints import Checkpoints, resume
    from tok1d.train.loop import Callback, Task, fit, make_accelerator, make_state
    from tok1d.train.schedules import make_optimizers, make_schedulers

    class Counts(Task):
        def forward(self, batch, step, generator):
            loss = self.model.weight.sum()*0 + batch['image'].mean()
            return dict(loss=loss), dict(ids=batch['ids'], latents=torch.zeros(1, 1, 2))

    class Used(Callback):
        "Which codes count as used?"
        def __init__(self, book): self.book = book
        def step(self, st):
            used = self.book.used if self.book.used is not None else torch.zeros(
                CODES, dtype=torch.int64)
            st.log('used', codes=st.acc.reduce(used.clone(), 'sum').tolist())

    model = nn.Linear(1, 1, bias=False)
    model.quantize = VQ(CODES, 2).requires_grad_(False)
    task = Counts(model)
    opts = dict(model=make_optimizers(model, lr=0.))
    acc = make_accelerator(cpu=True)
    st = make_state(task, Numbers(acc.process_index), opts,
                    dict(model=make_schedulers(opts['model'], steps=STEPS)), acc, until)
    book = Codebook(revive_until=STEPS, revive_every=7)
    callbacks = [
        Alarms(codebook_size=CODES, window=EVERY, min_perplexity=0.), book,
        Metrics(EVERY),
        JSONLog(folder/'log.jsonl'),
        Used(book),
        Checkpoints(folder, every)
    ]
    resume(st, callbacks, folder)
    fit(st, callbacks)
    if acc.num_processes > 1:
        st.nets.clear()
        acc.end_training()
    (folder/'notes.txt').write_text('; '.join(st.notes)) if acc.is_main_process else None


def want(worlds):
    """Step → loss and perplexity of its window, and codes in use, where `worlds[i]` processes make
    step i+1"""
    seen = lambda step: [(value(r, step), chosen(r, step)) for r in range(worlds[step - 1])]
    rows = {}
    for step in range(1, STEPS + 1):
        row = rows[step] = {}
        since = [x for s in range(step - step % 7 + 1, step + 1) for x in seen(s)]
        row['codes'] = torch.bincount(torch.tensor([c for _, c in since], dtype=torch.int64),
                                      minlength=CODES).tolist()
        if step % EVERY: continue
        window = [x for s in range(step - EVERY + 1, step + 1) for x in seen(s)]
        p = torch.bincount(torch.tensor([c for _, c in window]),
                           minlength=CODES).double()/len(window)
        row |= dict(loss=sum(v for v, _ in window)/len(window),
                    perplexity=torch.special.entr(p).sum().exp().item())
    return rows


def got(folder):
    from tok1d.train.callbacks import read_log
    rows = {}
    for r in read_log(folder/'log.jsonl'):
        rows.setdefault(r['step'],
                        {}).update({k: r[k]
                                    for k in ('codes', 'loss', 'perplexity') if k in r})
    return rows


def same(folder, worlds):
    mine, right = got(folder), want(worlds)
    assert mine.keys() == right.keys()
    for step in right:
        assert mine[step].keys() == right[step].keys(), step
        assert mine[step]['codes'] == right[step]['codes'], step
        for k in mine[step].keys() - {'codes'}:
            torch.testing.assert_close(mine[step][k], right[step][k], rtol=1e-5, atol=0)


def go(world, folder, until):
    codes, said = launch(run, (folder, until), world, folder)
    assert codes == [0]*world, '\n'.join(said)
    return (folder/'notes.txt').read_text()


def test_cut_and_continued(tmp_path):
    "Four steps by two processes, four by one, three by three: every count is what was seen"
    assert go(2, tmp_path, 4) == ''
    assert 'saved by 2 processes and continued by 1' in go(1, tmp_path, 8)
    assert 'saved by 1 process and continued by 3' in go(3, tmp_path, STEPS)
    same(tmp_path, [2]*4 + [1]*4 + [3]*3)


def test_same_number(tmp_path):
    "Cut between everything that is counted, and continued by as many"
    assert go(2, tmp_path, 8) == ''
    assert go(2, tmp_path, STEPS) == ''
    same(tmp_path, [2]*STEPS)
