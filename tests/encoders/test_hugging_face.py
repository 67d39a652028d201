"""Vision models of Hugging Face, against the library itself."""

import numpy as np
import pytest
import torch
from drawn_pictures import picture, pictures
from PIL import Image

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

from embrec.encoders.hugging_face import HuggingFaceFeatures, HuggingFacePreprocess, read_model
from embrec.encoders.running import encode, forget_encoders, get_encoder
from embrec.encoders.vision import VisionSpec

VISION = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 20,
    "image_size": 32,
    "patch_size": 8,
}


@pytest.fixture(autouse=True)
def no_models_of_other_tests():
    yield
    forget_encoders()


@pytest.fixture(scope="module")
def hugging_face(tmp_path_factory):
    """Save a tiny model of a kind, and return its folder and itself."""
    transformers.utils.logging.disable_progress_bar()
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    resnet = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
    t = transformers
    make = {
        "vit": lambda: t.ViTModel(t.ViTConfig(**VISION)),
        "vit-classifier": lambda: t.ViTForImageClassification(t.ViTConfig(**VISION)),
        "resnet": lambda: t.ResNetForImageClassification(
            t.ResNetConfig(**resnet, layer_type="basic")
        ),
        "clip": lambda: t.CLIPModel(
            t.CLIPConfig(
                text_config={**text, "intermediate_size": 20, "vocab_size": 50},
                vision_config=VISION,
                projection_dim=12,
            )
        ),
    }
    saved = {}

    def save(kind):
        if kind not in saved:
            folder = tmp_path_factory.mktemp(kind)
            with torch.random.fork_rng():
                torch.manual_seed(0)
                model = make[kind]().eval()
            model.save_pretrained(folder)
            processor = t.ViTImageProcessor(size={"height": 32, "width": 32})
            processor.save_pretrained(folder)
            saved[kind] = folder, model
        return saved[kind]

    return save


EXPECTED = {
    "vit": lambda model, x: model(x).pooler_output,
    # its pooler has no weights: the class token
    "vit-classifier": lambda model, x: model.vit(x).last_hidden_state[:, 0],
    "resnet": lambda model, x: model.resnet(x).last_hidden_state.mean((2, 3)),
    "clip": lambda model, x: model.visual_projection(model.vision_model(x).pooler_output),
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_vectors_are_those_of_the_model(hugging_face, kind, monkeypatch):
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


def test_errors_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="could not be loaded"):
        VisionSpec.of(f"hf:{tmp_path}").load()
    with pytest.raises(ValueError, match="save_pretrained"):
        VisionSpec.of(f"hf:{tmp_path}", weights=tmp_path / "w.pth").load()


def test_whether_the_pooler_was_trained(hugging_face):
    assert read_model(transformers, str(hugging_face("vit")[0]))[1]
    assert not read_model(transformers, str(hugging_face("vit-classifier")[0]))[1]


def test_a_checkpoint_that_lacks_more_than_a_pooler(hugging_face, tmp_path):
    model = hugging_face("vit")[1]
    state = model.state_dict()
    for name in ("layernorm.weight", "layernorm.bias", "embeddings.cls_token"):
        del state[name]
    model.save_pretrained(tmp_path, state_dict=state)
    names = r"embeddings\.cls_token, layernorm\.bias, layernorm\.weight$"
    with pytest.raises(ValueError, match=f"it has no weights for {names}"):
        read_model(transformers, str(tmp_path))


def test_half_precision_is_read_as_single(hugging_face, tmp_path):
    model = hugging_face("vit")[1]
    halves = {name: tensor.half() for name, tensor in model.state_dict().items()}
    transformers.ViTModel(transformers.ViTConfig(**VISION)).half().save_pretrained(
        tmp_path, state_dict=halves
    )
    read, _ = read_model(transformers, str(tmp_path))
    assert {p.dtype for p in read.parameters()} == {torch.float32}
    torch.testing.assert_close(dict(read.state_dict()), {n: h.float() for n, h in halves.items()})


def test_without_class_token_and_pooler_the_tokens_are_averaged():
    settings = {"image_size": 16, "patch_size": 4, "embed_dim": 4, "window_size": 2}
    config = transformers.SwinConfig(**settings, depths=[1, 1], num_heads=[1, 2])
    model = transformers.SwinModel(config, add_pooling_layer=False).eval()
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        tokens = model(x).last_hidden_state
        features = HuggingFaceFeatures(model, is_trained_pooler=True)(x)
    assert tokens.shape == (2, 4, 8)
    torch.testing.assert_close(features, sum(tokens[:, i] for i in range(4)) / 4)


@pytest.mark.parametrize(
    ("size", "edge"),
    [({"height": 32, "width": 48}, 48), ({"shortest_edge": 24}, 24)],
    ids=["both-sides", "shorter-side"],
)
def test_how_large_a_processor_makes_pictures(size, edge):
    preprocess = HuggingFacePreprocess(transformers.CLIPImageProcessor(size=size))
    assert preprocess.edge == edge
    other = HuggingFacePreprocess(transformers.CLIPImageProcessor(size=size, image_std=[1, 1, 1]))
    assert preprocess.description != other.description
