"""Move a finished run into the package, and measure what ships (developers only).

    python .ci/weights.py ship RUN NAME [--bits 8]     weights, configuration, recipe, log and curve → tok1d/weights/NAME
    python .ci/weights.py measure NAME …               the tables of a tokenizer's card, as Markdown
    python .ci/weights.py sweep NAME                   guidance and temperature of a built-in generator of classes, by FD and probe
    python .ci/weights.py probe DATA                   train the probe of tok1d.eval.attributes on what `tok1d data build` drew

Weights are stored in half precision; with `--bits 8` as 8-bit floats (e4m3), for generators, which lose little by it.
"""
import json, re, shutil, sys
from pathlib import Path
import torch
from safetensors.torch import load_file, save_file
from tok1d.data.embedded import embedded_samples, heldout, photos
from tok1d.basics import load_image
from tok1d.eval.reconstruction import decode_pixels, evaluate, psnr
from tok1d.explore.search import encode_best
from tok1d.hub.pretrained import load
from tok1d.models.text import TextEncoder

WEIGHTS = Path(__file__).resolve().parents[1]/'tok1d'/'weights'
# of this machine
PLACES = [(r'/work/(main|frozen\d*)/', ''), (r'/work/data/', 'data/embedded/'),
          (r'/work/tokens/', 'data/tokens/'), (r'/work/runs/(out\d*/)?', 'outputs/')]

def ship(run, name, bits=16):
    "Copy what belongs to a model, without the places of this machine"
    run,out = Path(run),WEIGHTS/name
    out.mkdir(parents=True, exist_ok=True)
    sd,dtype = load_file(run/'model.safetensors'),torch.float8_e4m3fn if bits==8 else torch.float16
    # norms, biases, mask tokens: few, and they matter
    small = lambda v: v.ndim<2 or min(v.shape)==1
    sd = {k: v.to(torch.float16 if small(v) else dtype).contiguous() for k,v in sd.items()}
    save_file(sd, out/'model.safetensors', metadata=dict(format='pt'))
    for source,target in (('config.json','config.json'), ('config.yaml','recipe.yaml'),
                          ('log.jsonl','log.jsonl')):
        text = (run/source).read_text()
        for a,b in PLACES: text = re.sub(a, b, text)
        (out/target).write_text(text)
    # what builds and pairs the model; the rest is in the recipe
    c = json.loads((out/'config.json').read_text())
    head = {
        k: v
        for k,v in c.get('losses', {}).items()
        if k in ('diffloss_d','diffloss_w','num_sampling_steps')
    } if 'maskgen' in c['model'] else {}
    kept = dict(model=c['model']) | (dict(losses=head) if head else {}) | dict(dataset=dict(
        preprocessing=dict(crop_size=c['dataset']['preprocessing']['crop_size'])))
    if tok := c.get('experiment', {}).get('tokenizer_checkpoint'):
        kept['experiment'] = dict(tokenizer_checkpoint=tok)
    (out/'config.json').write_text(json.dumps(kept, indent=1)+'\n')
    shutil.copy(run/'curve.png', out/'curve.png')
    print(f'{out}: {sum(f.stat().st_size for f in out.iterdir())/1e6:.1f} MB')

def heading(what, ks):
    return f'\n| {what}, at tokens | ' + ' | '.join(map(str, ks)) + ' |\n| --- | ' + ' | '.join(
        ['---:']*len(ks)) + ' |'

def rows(label, scores, field, form):
    return f'| {label} | ' + ' | '.join(form.format(getattr(s, field)) for s in scores) + ' |'

def measure(name, n=1024):
    "PSNR and SSIM at every token count on what the package holds out"
    model = load(name)
    sets = {
        'characters and scenes (A)': heldout(n, 'A'), 'emoji (B)': heldout(n, 'B'),
        'photographs': torch.stack([load_image(p, 64) for _,p in photos()])
    }
    texts = {}
    if hasattr(model, 'text_encoder'):
        enc = TextEncoder.load(model.config.model.vq_model.text_encoder)
        captions = {
            k: [s.text for s in embedded_samples('heldout', c, n)]
            for k,c in zip(sets, 'AB')
        } | {'photographs': ['']*5}
        texts = {k: enc(v, 'guidance', announce=False).guidance for k,v in captions.items()}
    scores = {k: evaluate(model, x, text=texts.get(k)) for k,x in sets.items()}
    ks = [s.k for s in next(iter(scores.values()))]
    for what,field,form in (('PSNR in dB','psnr','{:.2f}'), ('SSIM','ssim','{:.3f}')):
        print(heading(what, ks))
        for k,s in scores.items(): print(rows(f'{k}, {len(sets[k])}', s, field, form))
    if model.codebook_size:
        from tok1d.models.quantizer import perplexity, usage
        with torch.inference_mode():
            ids = torch.cat(
                [model.encode(b).tokens for k in list(sets)[:2] for b in sets[k].split(64)])
        k = model.codebook_size
        if not texts: searched(model, sets, ks)
        print(
            f'\nCodebook on the {len(ids)} held-out pictures: {float(usage(ids, k)):.1%} of {k:,} '
            f'codes in use, perplexity {float(perplexity(ids, k)):.0f}.')

def searched(model, sets, ks, n=64):
    "PSNR after tok1d.explore.search, for the first few pictures of each set"
    print(heading(f'PSNR in dB, first {n} of each set', ks))
    for label,x in sets.items():
        x = x[:n]
        with torch.inference_mode():
            lines = dict(encoded=model.encode(x).tokens) | {
                f'{c} candidates searched': encode_best(model, x, c, progress=True)
                for c in (4,8)
            }
        for how,t in lines.items():
            with torch.inference_mode():
                db = [psnr(decode_pixels(model, t[:,:k]), x).mean().item() for k in ks]
            print(f'| {label}, {how} | ' + ' | '.join(f'{v:.2f}' for v in db) + ' |', flush=True)

def probe(data, epochs=4, batch=128):
    "Two minutes on two cores"
    from tok1d.data.embedded import read_tar
    from tok1d.eval.attributes import Probe, accuracy, probe_loss, save_probe, shown, vocabulary
    import io
    from PIL import Image
    def read(pattern):
        ss = [s for f in sorted(Path(data).glob(pattern)) for s in read_tar(f)]
        x = torch.stack([(load_image(Image.open(io.BytesIO(s['webp'])))*255).byte() for s in ss])
        return x,[shown(json.loads(s['json'])['combination']) for s in ss]
    torch.manual_seed(0)
    x,asked = read('A-train-*.tar')
    print(len(x), 'drawings')
    model = Probe(vocabulary(asked))
    steps = epochs*len(x)//batch
    opt = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=.02)
    plan = torch.optim.lr_scheduler.OneCycleLR(opt, 2e-3, steps)
    for step in range(steps):
        at = torch.randint(len(x), (batch,))
        pics = torch.roll(x[at].float()/255,
                          (int(torch.randint(-3, 4, ())),int(torch.randint(-3, 4, ()))), (2,3))
        loss = probe_loss(model, pics, [asked[i] for i in at])
        opt.zero_grad()
        loss.backward()
        opt.step()
        plan.step()
        if step%100==0: print(step, steps, round(loss.item(), 3), flush=True)
    save_probe(model.eval(), WEIGHTS/'tok1d-tiny-probe')
    x,asked = read('A-heldout-*.tar')
    print(accuracy(model, x.float()/255, asked, 'held out'))

def sweep(name, each=16, guidances=(1.,3.,6.), temperatures=None):
    """Drawings alone

    Nobody recognises emoji by family. Writes sweep.json and sweep.png beside the weights.
    """
    from tok1d.data.embedded import styles
    from tok1d.eval import frechet
    from tok1d.eval.attributes import load_probe
    from tok1d.hub.pretrained import load_pipeline
    from tok1d.train.perceptual import efficientnet_lite0
    net = frechet.Describe(efficientnet_lite0())
    pipe = load_pipeline(name)
    probe = load_probe()
    names = styles()
    temperatures = temperatures or ((.7,.8,.9,1.) if 'rar' in name else (.5,2.,4.5))
    labels = [s for s in names for _ in range(each)]
    want = torch.tensor([sorted(probe.words).index(s) for s in labels])
    def right(x):
        return (torch.cat([probe(b)[:,:len(probe.words)]
                           for b in x.split(128)]).argmax(1)==want).float().mean().item()

    draw = lambda g, t: pipe(labels, seed=0, batch_size=128, output='tensor', guidance=g,
                             temperature=t)
    rows = frechet.sweep(draw, heldout(512, 'A'), right, net, guidances, temperatures)
    (WEIGHTS/name/'sweep.json').write_text(json.dumps([r._asdict() for r in rows], indent=0)+'\n')
    frechet.plot_sweep(rows).savefig(WEIGHTS/name/'sweep.png', dpi=80)
    for r in rows: print(r)
    tok = pipe.tokenizer
    real = heldout(1024, 'A')
    with torch.inference_mode():
        again = torch.cat([tok.decode(tok.encode(x).tokens) for x in real[512:].split(64)])
    print('best:', min(rows, key=lambda r: r.fd), '\nreal against real:',
          frechet.frechet(real[:512], real[512:], net), '\nreal against reconstructions:',
          frechet.frechet(real[:512], again, net))

if __name__=='__main__':
    what,*args = sys.argv[1:] or ['']
    if what=='ship': ship(*args[:2], bits=int(args[3]) if '--bits' in args else 16)
    elif what=='probe': probe(*args)
    elif what=='sweep': sweep(*args)
    elif what=='measure':
        for a in args:
            print(f'\n## {a}')
            measure(a)
    else: sys.exit(__doc__)
