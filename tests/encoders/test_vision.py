"""Networks for pictures: their weights, preprocessing and threads."""

import importlib.util
import pickle
import sys
import threading
import time

import numpy as np
import pytest
import torch
from joblib import parallel_config
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from embrec.encoders import alexnet, backbones
from embrec.encoders.alexnet import AlexNet
from embrec.encoders.picture_encoder import N_AHEAD, PictureEncoder
from embrec.encoders.picture_keys import Picture
from embrec.encoders.preprocessing import ImageNetPreprocess, limit_aspect
from embrec.encoders.running import encode, forget_encoders, get_encoder
from embrec.encoders.state_dicts import put_weights, read_state_dict
from embrec.encoders.vision import VisionSpec

# the layers of torchvision's table: (in, out, kernel, stride, padding, pooled afterwards)
CONVOLUTIONS = {
    "features.0": (3, 64, 11, 4, 2, True),
    "features.3": (64, 192, 5, 1, 2, True),
    "features.6": (192, 384, 3, 1, 1, False),
    "features.8": (384, 256, 3, 1, 1, False),
    "features.10": (256, 256, 3, 1, 1, True),
}
DENSE = {"classifier.1": (9216, 4096), "classifier.4": (4096, 4096)}


@pytest.fixture(autouse=True)
def no_models_of_other_tests():
    yield
    forget_encoders()


@pytest.fixture(scope="module")
def alexnet_state():
    """Random weights, with the classifier that published files have."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, (n_in, n_out, kernel, *_) in CONVOLUTIONS.items():
        state[f"{name}.weight"] = torch.randn(n_out, n_in, kernel, kernel, generator=generator)
        state[f"{name}.weight"] /= (n_in * kernel**2 / 2) ** 0.5
        state[f"{name}.bias"] = torch.randn(n_out, generator=generator) / 10
    for name, (n_in, n_out) in {**DENSE, "classifier.6": (4096, 1000)}.items():
        state[f"{name}.weight"] = torch.randn(n_out, n_in, generator=generator) / (n_in / 2) ** 0.5
        state[f"{name}.bias"] = torch.randn(n_out, generator=generator) / 10
    return state


def picture(seed=0, width=70, height=50):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def pictures(n=7):
    return [Picture(np.asarray(picture(seed)), bytes([seed])) for seed in range(n)]


class Means(nn.Module):
    """Features: means of the channels, and of their squares."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, pictures):
        scaled = pictures * self.scale[:, None, None]
        return torch.cat([scaled.mean((2, 3)), (scaled**2).mean((2, 3))], dim=1)


def small(image):
    pixels = np.array(image.resize((8, 8)), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)


def spec(backbone=None, **settings):
    settings = {"preprocess": small, "device": "cpu", **settings}
    return VisionSpec.of(Means() if backbone is None else backbone, **settings)


# ---- AlexNet


def test_alexnet_has_the_published_number_of_parameters():
    n_own = sum(p.numel() for p in AlexNet().parameters())
    assert n_own + 4096 * 1000 + 1000 == 61_100_840


def test_alexnet_has_the_published_names(alexnet_state):
    own = {name: tuple(p.shape) for name, p in AlexNet().state_dict().items()}
    head = {"classifier.6.weight": (1000, 4096), "classifier.6.bias": (1000,)}
    assert {**own, **head} == {name: tuple(p.shape) for name, p in alexnet_state.items()}


def test_alexnet_computes_its_table(alexnet_state):
    network = AlexNet().eval()
    put_weights(network, alexnet_state, head="classifier.6.")
    x = ImageNetPreprocess()(picture())[None]
    expected = x
    for name, (_, _, _, stride, padding, pooled) in CONVOLUTIONS.items():
        weight, bias = alexnet_state[f"{name}.weight"], alexnet_state[f"{name}.bias"]
        expected = F.conv2d(expected, weight, bias, stride, padding).clamp(min=0)
        if pooled:
            expected = F.max_pool2d(expected, 3, 2)
    expected = expected.reshape(1, 9216)
    for name in DENSE:
        weight, bias = alexnet_state[f"{name}.weight"], alexnet_state[f"{name}.bias"]
        expected = (expected @ weight.T + bias).clamp(min=0)
    with torch.inference_mode():
        torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-4)
    assert 0.1 < (expected > 0).float().mean() < 0.9


def test_alexnet_from_a_file(alexnet_state, tmp_path):
    torch.save({"state_dict": {f"module.{k}": v for k, v in alexnet_state.items()}}, tmp_path / "a")
    state = torch.get_rng_state()
    encoder = get_encoder(VisionSpec.of("alexnet", weights=tmp_path / "a", device="cpu"))
    assert encoder.n_features == 4097
    assert torch.equal(torch.get_rng_state(), state)
    vector = encode(encoder, pictures(1), batch_size=1)[0]
    network = AlexNet().eval()
    put_weights(network, alexnet_state, head="classifier.6.")
    with torch.inference_mode():
        expected = network(ImageNetPreprocess()(picture())[None])[0]
    np.testing.assert_allclose(vector[:-1], expected, rtol=1e-4, atol=1e-4)
    assert vector[-1] == 0


def test_alexnet_is_downloaded_with_its_hash_checked(alexnet_state, monkeypatch):
    asked = {}

    def download(url, **options):
        asked.update(options, url=url)
        return alexnet_state

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", download)
    backbones.load_backbone("alexnet", None, None)
    assert asked["url"] == alexnet.WEIGHTS_URL
    assert asked["check_hash"]
    assert asked["weights_only"]


def test_a_failed_download_says_what_to_do(monkeypatch):
    def fail(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    message = "alexnet-owt-7be5be79.pth: no route to host. .* weights= .* backbone='descriptor'"
    with pytest.raises(ValueError, match=message):
        VisionSpec.of("alexnet").load()


# ---- weights in files


def test_weights_by_safetensors_and_torch(tmp_path):
    state = {"scale": torch.tensor([3.0, 2.0, 1.0])}
    save_file(state, tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        torch.testing.assert_close(read_state_dict(tmp_path / name), state)


def test_weights_are_put_into_a_copy(tmp_path):
    torch.save({"scale": torch.tensor([3.0, 2.0, 1.0])}, tmp_path / "w.pth")
    network = Means().train()
    encoder = spec(network, weights=tmp_path / "w.pth").load()
    plain = spec(network).load()
    assert encoder.fingerprint != plain.fingerprint
    with_weights, without = (encode(e, pictures(1), batch_size=1)[0] for e in (encoder, plain))
    np.testing.assert_allclose(with_weights[:3], without[:3] * [3, 1, 1 / 3], rtol=1e-6)
    assert network.training
    assert network.scale.tolist() == [1, 2, 3]


def test_weights_of_another_network(alexnet_state, tmp_path):
    state = {name: tensor for name, tensor in alexnet_state.items() if "classifier" not in name}
    state["features.0.bias"] = torch.zeros(96)
    state["conv1.bias"] = torch.zeros(96)
    torch.save(state, tmp_path / "w.pth")
    message = (
        "not those of AlexNet: missing: classifier.1.weight, classifier.1.bias, "
        r"classifier.4.weight and 1 more; unexpected: conv1.bias; of other shapes: "
        r"features.0.bias \(96,\) instead of \(64,\)\."
    )
    with pytest.raises(ValueError, match=message):
        VisionSpec.of("alexnet", weights=tmp_path / "w.pth").load()


def test_files_that_hold_no_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match="weights="):
        read_state_dict(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("weights")
    (tmp_path / "text.safetensors").write_text("weights")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({}, tmp_path / "empty.pth")
    for name in ("text.pth", "text.safetensors", "list.pth", "empty.pth"):
        with pytest.raises(ValueError, match=name):
            read_state_dict(tmp_path / name)


def test_a_file_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return sys.exit, ("ran",)

    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="holds more than tensors. Expected") as caught:
        read_state_dict(tmp_path / "evil.pth")
    assert "weights_only" not in str(caught.value)


def test_counters_of_old_batch_norm_may_be_missing():
    state = {k: v for k, v in nn.BatchNorm2d(3).state_dict().items() if "num_batches" not in k}
    put_weights(nn.BatchNorm2d(3), state)


# ---- preprocessing


@pytest.mark.parametrize("size", [(70, 50), (50, 70), (300, 301), (1, 1), (224, 1000), (259, 256)])
def test_imagenet_preprocessing(size):
    image = picture(1, *size)
    width, height = size
    scale = 256 / min(size)
    scaled = image.resize((int(width * scale), int(height * scale)), Image.Resampling.BILINEAR)
    pixels = np.asarray(scaled) / 255
    top, left = (round((n - 224) / 2) for n in pixels.shape[:2])
    middle = pixels[top : top + 224, left : left + 224]
    expected = (middle - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    result = ImageNetPreprocess()(image)
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result.permute(1, 2, 0), expected, atol=1e-5)


def test_strips_lose_their_ends():
    strip = Image.new("RGB", (100_001, 2))
    assert limit_aspect(strip).size == (64, 2)
    assert limit_aspect(strip.transpose(Image.Transpose.TRANSPOSE)).size == (2, 64)
    poster = picture()
    assert limit_aspect(poster) is poster
    assert ImageNetPreprocess()(limit_aspect(Image.new("RGB", (1, 10**6)))).shape == (3, 224, 224)


@pytest.mark.parametrize(
    ("preprocess", "got"),
    [(np.asarray, "ndarray"), (lambda image: torch.zeros(1, 8, 8), r"\(1, 8, 8\)")],
    ids=["array", "one-channel"],
)
def test_preprocessing_that_returns_something_else(preprocess, got):
    with pytest.raises(ValueError, match=f"preprocess must .* got {got}"):
        spec(preprocess=preprocess).load()


def test_preprocessing_to_several_sizes():
    def whole(image):
        return torch.from_numpy(np.asarray(image, dtype=np.float32)).permute(2, 0, 1)

    encoder = spec(preprocess=whole).load()
    sizes = [Picture(np.asarray(picture(0, width)), b"") for width in (40, 50)]
    with pytest.raises(ValueError, match=r"one size; got \[\(3, 50, 40\), \(3, 50, 50\)\]"):
        list(encoder.encode([sizes]))


def test_a_network_that_returns_something_else():
    with pytest.raises(ValueError, match=r"turned \(1, 3, 8, 8\) into \(1, 3, 8, 8\)"):
        spec(nn.Identity()).load()


# ---- the encoder


def test_known_vectors():
    tensors = torch.stack([small(picture(seed)) for seed in range(7)])
    vectors = encode(spec(), pictures(), batch_size=3)
    np.testing.assert_allclose(vectors[:, :-1], Means()(tensors).detach(), rtol=1e-5)
    assert vectors.dtype == np.float32


def test_dropout_and_the_like_are_off():
    vectors = encode(spec(nn.Sequential(Means(), nn.Dropout(0.5))), pictures(), batch_size=3)
    np.testing.assert_allclose(vectors, encode(spec(), pictures(), batch_size=3), rtol=1e-6)


@pytest.mark.parametrize("n_decoders", [1, 2, 5])
@pytest.mark.parametrize("batch_size", [1, 2, 100])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_good_and_bad_ones_together_equal_each_alone(n_decoders, batch_size, n_jobs):
    contents = pictures(6)
    contents[1] = Picture(b"broken", b"1")
    contents[4] = Picture(b"", b"4")
    source = spec(n_decoders=n_decoders)
    alone = [encode(source, [content], batch_size=1)[0] for content in contents]
    with parallel_config(backend="threading"):
        together = encode(source, contents, batch_size=batch_size, n_jobs=n_jobs)
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert together[:, -1].tolist() == [0, 1, 0, 0, 1, 0]
    assert (together[[1, 4], :-1] == 0).all()
    assert (together[[0, 2, 3, 5], :-1] != 0).all()


def test_a_batch_of_bad_ones_never_reaches_the_network():
    calls = []
    encoder = PictureEncoder(
        lambda image: image,
        lambda images: calls.append(images),
        n_computed=2,
        fingerprint="",
        max_pixels=100,
    )
    assert next(encoder.encode([[Picture(b"", b"")]])).tolist() == [[0, 0, 1]]
    assert calls == []


def test_threads_decode_ahead_but_not_far():
    read, computed = [], []
    step = threading.Event()

    def prepare(image):
        read.append(image)
        if len(read) >= 2 * (N_AHEAD + 1):
            step.set()
        return image

    def compute(images):
        assert step.wait(10)  # the batches ahead are decoded while this one computes
        computed.append(len(images))
        assert len(read) <= sum(computed) + 2 * N_AHEAD
        return np.zeros((len(images), 1), dtype=np.float32)

    encoder = PictureEncoder(
        prepare, compute, n_computed=1, fingerprint="", max_pixels=10**6, n_decoders=2
    )
    contents = pictures(20)
    batches = list(encoder.encode(contents[i : i + 2] for i in range(0, 20, 2)))
    assert len(batches) == 10
    assert len(read) == 20


def test_abandoned_work_stops():
    read = []

    def slow(image):
        read.append(image)
        time.sleep(0.005)
        return small(image)

    generator = spec(preprocess=slow, n_decoders=3).load().encode([pictures(20)] * 5)
    next(generator)
    del generator
    n_read = len(read)
    assert n_read < 20 * (N_AHEAD + 1)
    time.sleep(0.05)
    assert len(read) == n_read
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("embrec-decode")]


def test_an_error_in_preprocessing_is_not_a_bad_picture():
    def fragile(image):
        if image.size == (70, 50):
            raise RuntimeError("my bug")
        return small(image)

    encoder = spec(preprocess=fragile).load()
    with pytest.raises(RuntimeError, match="my bug"):
        list(encoder.encode([pictures(2)]))


def test_fingerprints():
    def fingerprint(**settings):
        return spec(**settings).load().fingerprint

    changed = Means()
    with torch.no_grad():
        changed.scale[0] = 9
    assert fingerprint() == fingerprint(n_decoders=3)
    different = [
        fingerprint(),
        fingerprint(preprocess=None),
        fingerprint(preprocess=ImageNetPreprocess(resize=300)),
        fingerprint(preprocess=lambda image: small(image)),
        fingerprint(preprocess=lambda image: -small(image)),
        fingerprint(max_pixels=10**6),
        fingerprint(backbone=changed),
        fingerprint(backbone=nn.Sequential(Means(), nn.ReLU())),
        fingerprint(backbone=nn.Sequential(Means(), nn.Tanh())),
        fingerprint(backbone="descriptor", preprocess=None),
    ]
    assert len(set(different)) == len(different)


def test_a_network_changed_in_place_is_loaded_anew():
    network = Means()
    before = get_encoder(spec(network))
    assert get_encoder(spec(network)) is before
    with torch.no_grad():
        network.scale[0] = 9
    assert get_encoder(spec(network)).fingerprint != before.fingerprint


def test_weights_written_anew_are_read_anew(tmp_path):
    path = tmp_path / "w.pth"
    network = Means()
    seen = []
    for first in (1.0, 5.0):
        torch.save({"scale": torch.tensor([first, 2.0, 3.0])}, path)
        seen.append(get_encoder(spec(network, weights=path)).fingerprint)
    assert len(set(seen)) == 2


def test_specs_travel(tmp_path):
    named = VisionSpec.of("alexnet", weights=tmp_path / "w.pth", preprocess=small)
    assert pickle.loads(pickle.dumps(named)) == named
    assert len({named, pickle.loads(pickle.dumps(named))}) == 1


@pytest.mark.parametrize(
    "backbone", ["resnet18", "torchvision", "torchvision:", "keras:vgg", ""], ids=repr
)
def test_unknown_backbones(backbone):
    with pytest.raises(ValueError, match=r"is unknown; expected 'alexnet', 'descriptor'"):
        VisionSpec.of(backbone).load()


def test_the_descriptor_takes_no_weights():
    for settings in ({"weights": "w.pth"}, {"preprocess": small}):
        with pytest.raises(ValueError, match="neither weights= nor preprocess="):
            VisionSpec.of("descriptor", **settings)


@pytest.mark.parametrize(
    ("library", "backbone", "extra"),
    [
        ("PIL.Image", "descriptor", "image"),
        ("skimage.feature", "descriptor", "image"),
        ("torchvision.models", "torchvision:resnet18", "vision"),
        ("timm", "timm:resnet18", "vision"),
        ("transformers", "hf:a/b", "vision"),
    ],
)
def test_a_missing_library_names_the_extra(monkeypatch, library, backbone, extra):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf'pip install "embrec\[{extra}\]"'):
        VisionSpec.of(backbone).load()


# ---- other libraries


def test_the_head_is_the_last_dense_layer():
    network = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 5), nn.ReLU()))
    assert backbones.remove_head(network) == "1.0."
    assert isinstance(network[1][0], nn.Identity)
    with pytest.raises(ValueError, match="classifier was not found"):
        backbones.remove_head(nn.Sequential(nn.ReLU()))


needs_torchvision = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed"
)
needs_timm = pytest.mark.skipif(
    importlib.util.find_spec("timm") is None, reason="timm is not installed"
)


@needs_torchvision
def test_torchvision(alexnet_state, tmp_path):
    import torchvision

    image = picture()
    transforms = torchvision.models.AlexNet_Weights.DEFAULT.transforms()
    assert torch.equal(transforms(image), ImageNetPreprocess()(image))
    torch.save(alexnet_state, tmp_path / "w.pth")
    theirs = backbones.load_backbone("torchvision:alexnet", tmp_path / "w.pth", None)
    ours = backbones.load_backbone("alexnet", tmp_path / "w.pth", None)
    with torch.inference_mode():
        torch.testing.assert_close(
            theirs.network(theirs.preprocess(image)[None]),
            ours.network(ours.preprocess(image)[None]),
        )


@needs_timm
def test_timm(tmp_path):
    import timm

    model = timm.create_model("resnet18").eval()
    torch.save(model.state_dict(), tmp_path / "w.pth")
    loaded = backbones.load_backbone("timm:resnet18", tmp_path / "w.pth", None)
    with torch.inference_mode():
        x = loaded.preprocess(picture())[None]
        expected = model.forward_head(model.forward_features(x), pre_logits=True)
        torch.testing.assert_close(loaded.network(x), expected)


@pytest.fixture(scope="module")
def hugging_face(tmp_path_factory):
    """Save a tiny model of a kind, and return its folder and itself."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    transformers.utils.logging.disable_progress_bar()
    vision = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision |= {"intermediate_size": 20, "image_size": 32, "patch_size": 8}
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    resnet = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
    t = transformers
    make = {
        "vit": lambda: t.ViTModel(t.ViTConfig(**vision)),
        "vit-classifier": lambda: t.ViTForImageClassification(t.ViTConfig(**vision)),
        "resnet": lambda: t.ResNetForImageClassification(
            t.ResNetConfig(**resnet, layer_type="basic")
        ),
        "clip": lambda: t.CLIPModel(
            t.CLIPConfig(
                text_config={**text, "intermediate_size": 20, "vocab_size": 50},
                vision_config=vision,
                projection_dim=12,
            )
        ),
    }

    def save(kind):
        folder = tmp_path_factory.mktemp(kind)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = make[kind]().eval()
        model.save_pretrained(folder)
        processor = t.ViTImageProcessor(size={"height": 32, "width": 32})
        processor.save_pretrained(folder)
        return folder, model

    return save


EXPECTED = {
    "vit": lambda model, x: model(x).pooler_output,
    # its pooler has no weights: the class token
    "vit-classifier": lambda model, x: model.vit(x).last_hidden_state[:, 0],
    "resnet": lambda model, x: model.resnet(x).last_hidden_state.mean((2, 3)),
    "clip": lambda model, x: model.visual_projection(model.vision_model(x).pooler_output),
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_hugging_face(hugging_face, kind, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder, model = hugging_face(kind)
    source = VisionSpec.of(f"hf:{folder}", device="cpu")
    vectors = encode(source, pictures(3), batch_size=2)
    images = [picture(seed).resize((32, 32), Image.Resampling.BILINEAR) for seed in range(3)]
    x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255 * 2 - 1
    with torch.inference_mode():
        expected = EXPECTED[kind](model, x)
    # where there is torchvision, it scales pictures, and rounds a little otherwise than Pillow
    np.testing.assert_allclose(vectors[:, :-1], expected, atol=5e-3)
    # what a checkpoint lacks must not be random
    fingerprint = get_encoder(source).fingerprint
    forget_encoders()
    torch.rand(1)
    assert get_encoder(source).fingerprint == fingerprint


def test_hugging_face_errors(tmp_path, monkeypatch):
    pytest.importorskip("transformers", reason="transformers is not installed")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="could not be loaded"):
        VisionSpec.of(f"hf:{tmp_path}").load()
    with pytest.raises(ValueError, match="save_pretrained"):
        VisionSpec.of(f"hf:{tmp_path}", weights=tmp_path / "w.pth").load()
