"Twenty visitors at once: nobody meets an error, and the server's memory stays bounded"
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from gradio_client import Client, handle_file
from pages import serving
from tok1d.data.embedded import photos

pytestmark = pytest.mark.long
DEMOS = Path(__file__).parents[2]/'demos'
VISITORS = 20
MOST = 3e9  # bytes

def server_at(url):
    "The process that listens there"
    port = urlsplit(url).port
    found = [c.pid for c in psutil.net_connections('tcp')
             if c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN]
    return psutil.Process(found[0])

def test_twenty_at_once(tmp_path):
    pictures = [tmp_path/f'{title}.png' for title, _ in photos()]
    for path, (_, im) in zip(pictures, photos()): im.save(path)
    with serving(DEMOS/'all/app.py') as url:
        server = server_at(url)

        def visit(i):
            client = Client(url, verbose=False)
            file = pictures[i % len(pictures)]
            seen = client.predict(handle_file(file), 1 + i, api_name='/explore')
            drawn = client.predict('tok1d-tiny-maskgit', 'critters', '', i, 1, 2, 1., 1.,
                                   api_name='/generate')
            way = client.predict(handle_file(file), handle_file(pictures[0]), 'vectors', 3, 'first',
                                 api_name='/interpolate')
            return seen[3], drawn[0][0]['caption'], way[0].count('<img')

        with ThreadPoolExecutor(VISITORS) as pool: got = list(pool.map(visit, range(VISITORS)))
        memory = server.memory_info().rss
    assert [caption for _, caption, _ in got] == [f'seed {i}' for i in range(VISITORS)]
    assert all(f'{1+i} of 128' in said and frames == 3 for i, (said, _, frames) in enumerate(got))
    assert memory < MOST
