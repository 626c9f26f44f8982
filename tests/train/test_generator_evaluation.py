"A generator's run compares what it draws with held-out pictures, under the name of the extractor"
import json

from tok1d.basics import to_pil
from tok1d.data.embedded import heldout
from tok1d.train.callbacks import plot_log, read_log, scalars
from tok1d.train.run import main

def test_distance_in_the_log(tmp_path):
    for name, pictures in (('train', heldout(8)), ('val', heldout(14)[8:])):
        for i, x in enumerate(pictures):
            (tmp_path/name/'a').mkdir(parents=True, exist_ok=True)
            to_pil(x).save(tmp_path/name/'a'/f'{i}.png')
    main([
        'config=rar_tiny', f'dataset.params.train_shards_path_or_url={tmp_path}/train',
        f'dataset.params.eval_shards_path_or_url={tmp_path}/val',
        'experiment.tokenizer_checkpoint=tok1d-tiny-vq', f'experiment.output_dir={tmp_path}/out',
        'training.max_train_steps=2', 'experiment.eval_every=1', 'experiment.log_every=1',
        'experiment.eval_samples=3', 'experiment.eval_images=5', 'training.per_gpu_batch_size=2',
        'training.num_generated_images=0', 'training.cpu=true', 'model.generator.hidden_size=64',
        'model.generator.num_hidden_layers=1', 'dataset.params.num_workers_per_gpu=0'
    ])
    records = [r for r in read_log(tmp_path/'out/log.jsonl') if 'FD(tok1d-probe)' in r]
    assert [r['step'] for r in records] == [1, 2]
    assert all(r['images'] == 3 and r['reference'] == '5 pictures' and r['on'] == 'val'
               for r in records)
    assert 'eval/val/FD(tok1d-probe)' in scalars(records[0])
    assert any('FD(tok1d-probe)' in ax.get_ylabel()
               for ax in plot_log(tmp_path/'out/log.jsonl').axes)
    assert json.dumps(records).count('FID') == 0
