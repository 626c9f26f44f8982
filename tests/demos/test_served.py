"A picture that several visitors are shown at once is never half written"
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tok1d.data.embedded import photos

sys.path.insert(0, str(Path(__file__).parents[2]/'demos'))
import demo_common as common

def test_whole_whenever_it_is_read(tmp_path):
    picture = photos()[0][1].resize((256, 256))
    path = Path(common.served(picture, tmp_path))
    whole = path.read_bytes()
    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(common.served, picture, tmp_path) for _ in range(40)]
        while not all(job.done() for job in writing): assert path.read_bytes() == whole
    assert {job.result() for job in writing} == {str(path)}
    assert [*path.parent.iterdir()] == [path]

def test_what_is_no_picture_stays():
    assert [common.served(x, 'nowhere') for x in ('a path', None)] == ['a path', None]
