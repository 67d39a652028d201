"""Vision models of Hugging Face, of any architecture: one picture in, one vector out."""

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from PIL.Image import Image


def read_model(transformers: Any, name: str) -> tuple[Any, bool]:
    """Read a model without its task's head, and say whether its pooler was trained.

    A checkpoint of a classifier often has no weights for the pooler, which the library then makes
    up at random.

    Raises
    ------
    ValueError
        If the checkpoint lacks other weights.
    """
    model, loading = transformers.AutoModel.from_pretrained(name, output_loading_info=True)
    missing = sorted(loading["missing_keys"])
    needed = [key for key in missing if "pooler" not in key.split(".")]
    if needed:
        raise ValueError(f"it has no weights for {', '.join(needed[:3])}")
    return model.float(), not missing  # some are saved in half precision


class HuggingFaceFeatures(nn.Module):
    """Makes one vector per picture of what a model returns.

    That is what ``get_image_features`` returns, for models of pictures and text; else the pooled
    output; else the class token of the last layer, or the mean of its tokens or places if there
    is no such token.

    Parameters
    ----------
    model : transformers.PreTrainedModel
    is_trained_pooler : bool
        Whether the model's own pooled output means anything.
    """

    def __init__(self, model: Any, is_trained_pooler: bool) -> None:
        super().__init__()
        self.model: Any = model
        self._use_pooler = is_trained_pooler
        names = (name.rpartition(".")[2] for name, _ in model.named_parameters())
        self._has_class_token = any(name in ("cls_token", "class_embedding") for name in names)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Compute features: (n, 3, height, width) to (n, n_features)."""
        if hasattr(self.model, "get_image_features"):
            features = self.model.get_image_features(pixel_values=pictures)
            # a tensor before transformers 5
            return features if isinstance(features, torch.Tensor) else features.pooler_output
        outputs = self.model(pixel_values=pictures)
        pooled = getattr(outputs, "pooler_output", None)
        if pooled is not None and self._use_pooler:
            return pooled.flatten(1)  # from (n, n_features, 1, 1), for some
        last: torch.Tensor = outputs.last_hidden_state
        if last.ndim == 4:  # (n, n_features, height, width)
            return last.mean(dim=(2, 3))
        return last[:, 0] if self._has_class_token else last.mean(dim=1)


class HuggingFacePreprocess:
    """Calls an image processor on one picture.

    Parameters
    ----------
    processor : transformers.BaseImageProcessor
        The library picks one that works with torchvision, or with Pillow alone where torchvision
        is missing; their results differ slightly.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self.description = f"{type(processor).__name__} {processor.to_json_string()}"
        size = getattr(processor, "size", None) or {}
        sides = [side for side in dict(size).values() if isinstance(side, int)]
        self.edge = max(sides, default=None)

    def __call__(self, image: "Image") -> torch.Tensor:
        """Turn an RGB image into (3, height, width) float32."""
        pictures: torch.Tensor = self._processor(images=image, return_tensors="pt")["pixel_values"]
        return pictures[0]
