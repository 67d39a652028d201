"""AlexNet, up to the second of its dense layers."""

import torch
from torch import nn

#: Weights trained on ImageNet, published by torchvision.
WEIGHTS_URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
#: Parameters of the classifier of 1,000 classes, which is left out.
HEAD = "classifier.6."


class AlexNet(nn.Module):
    """AlexNet without its classifier: 4,096 features of a picture.

    Five convolutions and two dense layers, in the variant of [2]_ and with the names of
    torchvision's model, so that its weights fit. Item-to-item recommenders from pictures started
    with the output of the second dense layer ([3]_, section 3.4.2 of the EmbRec thesis).

    References
    ----------
    .. [1] Krizhevsky, A., Sutskever, I. and Hinton, G. E., "ImageNet classification with deep
       convolutional neural networks", NIPS, 2012.
    .. [2] Krizhevsky, A., "One weird trick for parallelizing convolutional neural networks",
       arXiv:1404.5997, 2014.
    .. [3] McAuley, J. et al., "Image-based recommendations on styles and substitutes", SIGIR, 2015.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
        )

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Compute features: (n, 3, height, width) to (n, 4096), none of them negative."""
        maps = self.avgpool(self.features(pictures))  # (n, 256, 6, 6)
        features: torch.Tensor = self.classifier(maps.flatten(1))
        return features
