"On the same features, our distances are those of torch-fidelity (where it is installed)"
import pytest
import torch

from tok1d.eval import metrics

N, D = 600, 24

@pytest.fixture(scope='module')
def features():
    g = torch.Generator().manual_seed(0)
    real = torch.randn(N, D, generator=g, dtype=torch.float64)
    return real, 1.3*torch.randn(N, D, generator=g, dtype=torch.float64) + .2

def test_frechet(features):
    fid = pytest.importorskip('torch_fidelity.metric_fid')
    theirs = [fid.fid_features_to_statistics(f) for f in features]
    want = fid.fid_statistics_to_metric(*theirs, False)['frechet_inception_distance']
    got = metrics.frechet_distance(*(metrics.Moments(D).add(f) for f in features))
    assert got == pytest.approx(want, rel=1e-6)

def test_kid(features):
    kid = pytest.importorskip('torch_fidelity.metric_kid')
    want = kid.kid_features_to_metric(*features, kid_subsets=1, kid_subset_size=N, verbose=False)
    got = metrics.kid(*features, subsets=1, size=N).mean
    assert got == pytest.approx(want['kernel_inception_distance_mean'], rel=1e-6)

def test_precision_and_recall(features):
    prc = pytest.importorskip('torch_fidelity.metric_prc')
    real, drawn = features
    want = prc.prc_features_to_metric(drawn, real, verbose=False)
    assert metrics.precision_recall(real, drawn) == pytest.approx((want['precision'],
                                                                   want['recall']), abs=1e-4)

def test_inception_score(features):
    isc = pytest.importorskip('torch_fidelity.metric_isc')
    want = isc.isc_features_to_metric(features[0], shuffle=False)
    got = metrics.inception_score(features[0])
    assert got.mean == pytest.approx(want['inception_score_mean'], rel=1e-6)
    assert got.std == pytest.approx(want['inception_score_std'], rel=1e-6)

def test_spatial_features(tmp_path, monkeypatch):
    "The network of torch-fidelity, with other weights, gives three outputs, the third as ADM's"
    network = pytest.importorskip('torch_fidelity.feature_extractor_inceptionv3')
    from tok1d.eval.features import INCEPTION, RECIPES, Extractor
    kept = []
    with monkeypatch.context() as m:
        m.setattr(network, 'load_state_dict_from_url', lambda *a, **k: {})
        m.setattr(torch.nn.Module, 'load_state_dict', lambda self, state: None)
        net = network.FeatureExtractorInceptionV3('inception', ['2048'])
    torch.save(net.state_dict(), tmp_path/'weights.pth')
    ours = Extractor(INCEPTION, RECIPES[INCEPTION].build(tmp_path/'weights.pth'), bytes_in=True)
    x = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8,
                      generator=torch.Generator().manual_seed(0))
    net.Mixed_6d.register_forward_hook(lambda module, args, out: kept.append(out[:, :7]))
    want = net(x)[0]
    means, logits, spatial = ours.features(x)
    assert (means.shape, logits.shape, spatial.shape) == ((2, 2048), (2, 1008), (2, 2023))
    torch.testing.assert_close(means, want)
    torch.testing.assert_close(spatial.view(2, 17, 17, 7).permute(0, 3, 1, 2), kept[0])
