from clearvision.metrics.backbones import BACKBONES
from clearvision.metrics.catalogue import METRICS


def test_every_metric_says_what_it_needs() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.summary.endswith(".")
        assert metric.weights is None or metric.weights in BACKBONES


def test_directions_and_references() -> None:
    assert {name for name, metric in METRICS.items() if metric.higher_is_better} == {
        *("psnr", "ssim", "ms_ssim", "global_ssim", "lr_consistency")
    }
    assert [name for name, metric in METRICS.items() if metric.reference == "none"] == ["niqe"]
    assert [name for name, metric in METRICS.items() if not metric.per_picture] == ["fid"]
