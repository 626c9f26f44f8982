"""All demos as a folder that runs as a Hugging Face Space as it is: `python demos/space.py FOLDER`.

It needs a checkout, and no network. Upload the folder with `hf upload USER/NAME FOLDER --repo-type
space`, or run it here: `python FOLDER/app.py`. The package and the demos are copied into it; what
they need is read from settings.ini.
"""
import argparse
import shutil
from configparser import ConfigParser
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UNUSED = 'accelerate', 'jupyterlab', 'tensorboard'  # by the demos
README = """---
title: tok1d
emoji: 🧩
colorFrom: pink
colorTo: indigo
sdk: gradio
sdk_version: {gradio}
python_version: "3.12"
app_file: app.py
license: apache-2.0
short_description: Images as short lines of tokens, to explore
---
How many tokens an image needs, what lies between images, how a generator works, and what a token
does: the demos of tok1d, on the models that come with it.
"""
APP = '''"All demos, to every visitor of this Space; other options are those of `demos/all/app.py`"
import os
import runpy
import sys
from pathlib import Path

os.environ['HF_HUB_OFFLINE'] = '1'  # the models are in this folder
here = Path(__file__).resolve().parent
sys.path.insert(0, str(here))
sys.argv[1:] = sys.argv[1:] or ['--host', '0.0.0.0', '--port', '7860']
runpy.run_path(str(here/'demos/all/app.py'), run_name='__main__')
'''


def requirements():
    "What a Space installs beside Gradio, without a GPU"
    ini = ConfigParser(delimiters=['='])
    ini.read(ROOT/'settings.ini', encoding='utf-8')
    needed = ini['DEFAULT']['requirements'].split()
    left_out = *UNUSED, 'gradio'  # which the Space brings
    kept = [line for line in needed if not line.startswith(left_out)]
    cpu = '--extra-index-url https://download.pytorch.org/whl/cpu'
    return '\n'.join([cpu, *kept, 'imageio-ffmpeg', ''])


def write(folder):
    "Write the folder, which must be new or empty"
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise SystemExit(f"'{folder}' is not empty: give a new folder")
    if not (ROOT/'settings.ini').is_file():
        raise SystemExit('No settings.ini beside the demos: run this in a checkout')
    folder.mkdir(parents=True, exist_ok=True)
    left = shutil.ignore_patterns('__pycache__', '*.pyi', 'space.py', 'Dockerfile')
    for part in 'tok1d', 'demos': shutil.copytree(ROOT/part, folder/part, ignore=left)
    shutil.copy(ROOT/'LICENSE', folder)
    (folder/'README.md').write_text(README.format(gradio=version('gradio')), encoding='utf-8')
    (folder/'requirements.txt').write_text(requirements(), encoding='utf-8')
    (folder/'app.py').write_text(APP, encoding='utf-8')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', help='where to write it; must be new or empty')
    write(parser.parse_args().folder)
