"The published learning rates and shares of hidden tokens, step by step"
import pytest, torch
from torch.optim import SGD
from parity_case import Case
from tok1d.sample.schedules import mask_ratio
from tok1d.train.schedules import make_schedulers

BASE, END, STEPS, WARMUP = 1e-3, 1e-5, 100, 10  # of the case, see its notes

@pytest.mark.parametrize('scheduler', ['cosine', 'constant'])
def test_learning_rate(scheduler):
    case = Case('schedules')
    opt = SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)
    sched, = make_schedulers(dict(sgd=opt), scheduler=scheduler, steps=STEPS, warmup=WARMUP,
                             end=END/BASE).values()
    rates = []
    for _ in range(STEPS + 1):
        rates.append(sched.get_last_lr()[0])
        opt.step()
        sched.step()
    case.close(torch.tensor(rates, dtype=torch.float64), case[f'lr_{scheduler}'], scheduler)

@pytest.mark.parametrize('schedule', ['root', 'square', 'cosine', 'arccos', 'linear'])
def test_mask_ratio(schedule):
    case = Case('schedules')
    case.close(mask_ratio(case['progress'], schedule), case[f'mask_{schedule}'], schedule)
    case.close(torch.tensor([mask_ratio(r, schedule) for r in case['progress'].tolist()]),
               case[f'mask_{schedule}'], f'{schedule}, of plain numbers')
