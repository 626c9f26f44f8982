"A disk that is full, a log that cannot be written, and a folder that two runs want"
import os, resource, signal, subprocess, time
import pytest
from ranks import begin, launch, run_train
from tiny_runs import arguments, pictures

SHORT = ('training.max_train_steps=8', 'experiment.save_every=4', 'training.quantizer_start=2',
         'training.gradient_accumulation_steps=1')


@pytest.fixture(scope='module')
def data(tmp_path_factory): return pictures(tmp_path_factory.mktemp('full')/'data')


def limited(args, size):
    "Train where no file can be larger than `size` bytes"
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    run_train(args)


def refused(code, said, out, why):
    assert code == 1 and 'Traceback' not in said, said
    for words in ('checkpoint-00000004 could not be written', why, 'MB are free'):
        assert words in said, said
    for left in ('.checkpoint-*', 'checkpoint-*', '.tmp-*'):
        assert not list(out.glob(left))


@pytest.mark.parametrize('part', [.5, 1.5])
def test_files_too_large(data, tmp_path, part):
    "Neither the weights fit, or only they; then there is room, and the same command finishes"
    args, out = arguments(data, tmp_path/'run', *SHORT), tmp_path/'run'
    (code,), (said,) = launch(limited, (args, int(part*WEIGHTS)), 1, tmp_path)
    refused(code, said, out, 'File too large')
    if part > 1:
        assert launch(run_train, (args,), 1, tmp_path)[0] == [0]
        sizes = {p.name: p.stat().st_size for p in (out/'checkpoint-00000008').iterdir()}
        assert abs(sizes['model.safetensors'] -
                   WEIGHTS) < .1*WEIGHTS and sizes['state.pt'] > 1.5*WEIGHTS, sizes


WEIGHTS = 1_000_000  # bytes of the tiny network


@pytest.fixture
def small_disk(tmp_path):
    "A real file system of two megabytes"
    place = tmp_path/'disk'
    place.mkdir()
    mount = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=2m', 'none',
                            str(place)], capture_output=True, text=True)
    if mount.returncode: pytest.skip(f'only root can mount a small disk: {mount.stderr.strip()}')
    yield place
    subprocess.run(['umount', str(place)], check=True)


def test_full_disk(data, small_disk, tmp_path):
    out = small_disk/'run'
    (code,), (said,) = launch(run_train, (arguments(data, out, *SHORT),), 1, tmp_path)
    refused(code, said, out, 'No space left on device')


def test_log_that_cannot_be_written(data, tmp_path):
    """TensorBoard finds a file where its folder should be

    Said once, counted, and the model is finished.
    """
    (tmp_path/'taken').write_text('a file')
    args = arguments(data, tmp_path/'run', *SHORT, f'experiment.logging_dir={tmp_path}/taken')
    (code,), (said,) = launch(run_train, (args,), 1, tmp_path)
    assert code == 0 and (tmp_path/'run'/'model.safetensors').exists(), said
    assert 'TensorBoard failed at step 0 (start)' in said and ('TensorBoard failed 1 '
                                                               'time in this run') in said, said


@pytest.mark.long
def test_two_runs(data, tmp_path):
    """The second is refused while the first lives, and takes over at once when it was killed,
    workers or not"""
    out = tmp_path/'run'
    worker = 'dataset.params.num_workers_per_gpu=1'
    first, = begin(run_train, (arguments(data, out, *SHORT, 'training.max_train_steps=9999',
                                          'experiment.save_every=9999', worker),), 1,
                   tmp_path/'first')
    try:
        log, end = out/'log.jsonl', time.time() + 200
        while first.is_alive() and time.time() < end and not (log.exists() and log.read_text()):
            time.sleep(.02)
        (code,), (said,) = launch(run_train, (arguments(data, out, *SHORT),), 1, tmp_path/'second')
        assert code == 1 and 'Traceback' not in said, said
        assert f'is in use by another run (process {first.pid}' in said, said
        assert first.is_alive()
        os.kill(first.pid, signal.SIGKILL)
        first.join()
        (code,), (said,) = launch(run_train, (arguments(data, out, *SHORT),), 1, tmp_path/'second')
        assert code == 0 and (out/'model.safetensors').exists(), said
    finally: first.kill()
