"""Style transfer: a photograph of a temple, painted in the colours and strokes of a photograph of a flower

Differentiated: how far the Gram matrices of convolutional features (which features occur together, wherever that is) are
from those of the style, plus how far the features themselves are from those of the content, with respect to the 3 x 128 x
192 numbers of the picture. The network has random weights, since none that were trained elsewhere are used here: random
windows of several sizes tell colours and strokes apart well, but objects less well than a network that was trained on
millions of photographs.

Reference: Gatys, Ecker and Bethge, "Image style transfer using convolutional neural networks", CVPR (2016); random windows:
Ustyuzhaninov, Brendel, Gatys and Bethge, "Texture synthesis using shallow convolutional networks with random filters"
(2016).
"""

import numpy as np

from chainrule import nn, optim, plot
from chainrule.data import load_photographs
from chainrule.nn import functional as F

STYLE_WEIGHT, SMOOTHNESS = 20.0, 0.2


class Windows(nn.Module):
    """Features of a picture at three resolutions: random windows of 3x3, 5x5 and 7x7 pixels at each."""

    def __init__(self, features=16):
        super().__init__()
        self.windows = nn.ModuleList(nn.Conv2d(3, features, size) for size in (3, 5, 7))

    def forward(self, x):
        found = []
        for _ in range(3):
            found += [F.relu(windows(x)) for windows in self.windows]
            x = F.avg_pool2d(x, 2)
        return found


def gram(features):
    """The mean over all places of the products of any two features."""
    _, channels, height, width = features.shape
    flat = features.reshape(channels, height * width)
    return flat @ flat.T / (height * width)


def roughness(x):
    """The mean squared difference of neighbouring pixels; random windows by themselves do not mind noise."""
    return ((x[:, :, 1:] - x[:, :, :-1]) ** 2).mean() + ((x[:, :, :, 1:] - x[:, :, :, :-1]) ** 2).mean()


def main(demo):
    size = (48, 72) if demo.quick else (128, 192)
    content, style = (demo.tensor(picture[None] * 2 - 1) for picture in load_photographs(size))
    net = Windows()
    net.requires_grad_(False)
    features, grams = net(content), [gram(f) for f in net(style)]
    distances = [((gram(f) - g) ** 2).sum() for f, g in zip(features, grams)]  # of the photographs from each other
    differences = [((f - g) ** 2).mean() for f, g in zip(features, net(style))]

    def losses(x):
        """How far x is from the style and from the content, as shares of what lies between the two photographs."""
        found = net(x)
        style_loss = sum(((gram(f) - g) ** 2).sum() / d for f, g, d in zip(found, grams, distances)) / len(found)
        coarse = slice(2 * len(net.windows), None)  # strokes may change as long as forms are kept
        pairs = zip(found[coarse], features[coarse], differences[coarse])
        content_loss = sum(((f - g) ** 2).mean() / d for f, g, d in pairs) / len(net.windows)
        return style_loss, content_loss

    x = content.clone().requires_grad_()
    optimizer = optim.Adam([x], lr=0.02)

    @demo.compile
    def step():
        optimizer.zero_grad()
        style_loss, content_loss = losses(x)
        (STYLE_WEIGHT * style_loss + content_loss + SMOOTHNESS * roughness(x)).backward()
        optimizer.step()
        return style_loss, content_loss

    for _ in demo.steps(30 if demo.quick else 300):
        style_loss, content_loss = step()
        demo.log(style=style_loss, content=content_loss)

    style_curve, content_curve = demo.curve("style"), demo.curve("content")
    demo.result("style loss, share of that of the content", style_curve[-1], at_most=0.03, reference="the temple itself: 1")
    demo.result("content loss, share of that of the style", content_curve[-1], at_most=0.7, reference="the flower itself: 1")
    lines = {"style": style_curve, "content": content_curve}
    demo.figure(plot.curves(lines, "How far from both photographs", "step", "share", log=True, smooth=1), "style_transfer_loss")
    pictures = gallery({"content": content, "style": style, "found": x})
    demo.figure(pictures, caption="The temple, the flower, and the temple in its style.")


def gallery(pictures):
    figure, axes = plot.subplots(1, len(pictures), (2.5 * len(pictures), 2.0))
    for a, (title, picture) in zip(axes, pictures.items(), strict=True):
        a.imshow(np.clip((picture.detach().numpy()[0].transpose(1, 2, 0) + 1) / 2, 0, 1), interpolation="nearest")
        a.set_title(title)
        a.set_axis_off()
    return figure
