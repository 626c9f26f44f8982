"A picture that several visitors are shown at once is never half written"
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tok1d.data.embedded import photos

def test_whole_whenever_it_is_read(common, tmp_path):
    picture = photos()[0][1].resize((256, 256))
    path = Path(common.served(picture, tmp_path))
    whole = path.read_bytes()
    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(common.served, picture, tmp_path) for _ in range(40)]
        while not all(job.done() for job in writing): assert path.read_bytes() == whole
    assert {job.result() for job in writing} == {str(path)}
    assert [*path.parent.iterdir()] == [path]

def test_what_is_no_picture_stays(common):
    assert [common.served(x, 'nowhere') for x in ('a path', None)] == ['a path', None]

def test_uploads_go_with_the_server(common, monkeypatch, tmp_path):
    "What `test_alone` sees of a real one: the folder of uploads is removed at the end"
    at_end = []
    monkeypatch.setenv('GRADIO_TEMP_DIR', 'restored')
    monkeypatch.delenv('GRADIO_TEMP_DIR')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    monkeypatch.setattr(common.atexit, 'register', lambda f, *a, **kw: at_end.append((f, a, kw)))
    common.private_cache()
    folder, = tmp_path.iterdir()
    assert folder.name.startswith('tok1d-demo-')
    (folder/'an upload').write_text('mine')
    for f, args, kw in at_end: f(*args, **kw)
    assert not folder.exists()

def test_removed_while_somebody_writes(common, tmp_path):
    "Threads of a busy server may add a file while its folder is being deleted"
    folder = tmp_path/'uploads'
    folder.mkdir()
    left = iter(range(4))
    remove_all = common.shutil.rmtree
    def written_meanwhile(path, ignore_errors):
        remove_all(path, ignore_errors)
        if next(left, None) is None: return
        folder.mkdir(exist_ok=True)
        (folder/'late').write_text('from a thread')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(common.shutil, 'rmtree', written_meanwhile)
        patch.setattr(common.time, 'sleep', lambda seconds: None)
        common.remove(folder)
    assert not folder.exists()
