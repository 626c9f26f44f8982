"""Several processes on one machine, for tests

Launched together; and a toy whose every number is known.
"""
import contextlib, multiprocessing as mp, os, socket, sys, traceback

ctx = mp.get_context('forkserver')  # a fresh process without importing torch again
# The server is one for all, notebooks and runs, and its list cannot grow once it has started.
# PyTorch's compiler is what the first step of an optimizer imports.
ctx.set_forkserver_preload([
    'torch', 'torch._dynamo', 'torchvision', 'torchmetrics.functional.image',
    'torchmetrics.image.fid', 'accelerate', 'open_clip', 'anywidget', 'matplotlib.pyplot',
    'execnb.shell', 'nbdev.process', 'tok1d.train.run', 'tok1d.train.pretokenize',
    'tok1d.eval.sampling', 'tok1d.eval.generation', 'tok1d.eval.whole_set'])


def work(target, args, env, said):
    "One process; what it says goes to a file, and how it ends is its exit code"
    os.environ.update(env)
    import torch
    torch.set_num_threads(1)
    with open(said,
              'w') as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        try: target(*args)
        except SystemExit as end:
            print(end.code)
            sys.exit(1 if isinstance(end.code, str) else end.code)
        except BaseException:
            traceback.print_exc(file=file)
            sys.exit(1)


def places(world):
    "What a launcher tells each of `world` processes, so that they find each other"
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = str(s.getsockname()[1])
    here = dict(WORLD_SIZE=str(world), MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
    return [dict(here, RANK=str(r), LOCAL_RANK=str(r)) for r in range(world)]


def finish(ps):
    "Wait for processes that all end well"
    for p in ps: p.join(240)
    assert [p.exitcode for p in ps] == [0]*len(ps)


def begin(target, args, world, folder):
    "Start `target(*args)` in `world` processes that find each other, as a launcher would"
    folder.mkdir(exist_ok=True)
    envs = places(world) if world > 1 else [{}]
    ps = [ctx.Process(target=work, args=(target, args, env, folder/f'said-{r}.txt'))
          for r, env in enumerate(envs)]
    for p in ps: p.start()
    return ps


def launch(target, args, world, folder, timeout=120):
    "Run to the end: exit codes, and what each process said; a process that hangs has the code None"
    ps = begin(target, args, world, folder)
    for p in ps: p.join(timeout)
    codes = [p.exitcode for p in ps]
    for p in ps: p.kill()
    return codes, [(folder/f'said-{r}.txt').read_text() for r in range(world)]


def run_train(args):
    "`tok1d train`"
    from tok1d.train.run import main
    main(args)
