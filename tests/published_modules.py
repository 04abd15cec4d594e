"""Networks published in PyTorch, as PyTorch modules under their published names."""


def openpose():
    """Of Hzzone/pytorch-openpose: src/model.py, but for its ReLU after the last heatmaps, which CMU lacks."""
    import torch
    from torch import nn

    def convs(*layers):
        """Rows of inputs, outputs and kernel size; a ReLU after all but the last."""
        modules = []
        for inputs, outputs, size in layers:
            modules += [nn.Conv2d(inputs, outputs, size, padding=size // 2), nn.ReLU(inplace=True)]
        return modules[:-1]

    def branch(inputs, channels):
        middle = [(128, 128, 7)] * 4
        return nn.Sequential(*convs((inputs, 128, 7), *middle, (128, 128, 1), (128, channels, 1)))

    def first_branch(channels):
        return nn.Sequential(*convs(*[(128, 128, 3)] * 3, (128, 512, 1), (512, channels, 1)))

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.model0 = nn.Sequential(
                *convs((3, 64, 3), (64, 64, 3)), nn.ReLU(inplace=True), nn.MaxPool2d(2),
                *convs((64, 128, 3), (128, 128, 3)), nn.ReLU(inplace=True), nn.MaxPool2d(2),
                *convs((128, 256, 3), *[(256, 256, 3)] * 3), nn.ReLU(inplace=True), nn.MaxPool2d(2),
                *convs((256, 512, 3), (512, 512, 3), (512, 256, 3), (256, 128, 3)), nn.ReLU(inplace=True),
            )  # fmt: skip
            self.stages = nn.ModuleList([nn.ModuleList([first_branch(38), first_branch(19)])])
            self.stages.extend(nn.ModuleList([branch(185, 38), branch(185, 19)]) for _ in range(5))

        def forward(self, x):
            features = x = self.model0(x)
            for pafs, heatmaps in self.stages:
                maps = pafs(x), heatmaps(x)
                x = torch.cat([*maps, features], 1)
            return maps

    return Network().eval()


def lightweight_openpose(num_refinement_stages):
    """Of Daniil-Osokin/lightweight-human-pose-estimation.pytorch: models/with_mobilenet.py."""
    import torch
    from torch import nn

    def conv(inputs, outputs, kernel_size=3, padding=1, bn=True, dilation=1, stride=1, relu=True, bias=True):
        modules = [nn.Conv2d(inputs, outputs, kernel_size, stride, padding, dilation, bias=bias)]
        modules += [nn.BatchNorm2d(outputs)] if bn else []
        modules += [nn.ReLU()] if relu else []
        return nn.Sequential(*modules)

    def conv_dw(inputs, outputs, stride=1, dilation=1):
        depthwise = nn.Conv2d(inputs, inputs, 3, stride, dilation, dilation, groups=inputs, bias=False)
        return nn.Sequential(
            depthwise, nn.BatchNorm2d(inputs), nn.ReLU(),
            nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
        )  # fmt: skip

    def conv_dw_no_bn(inputs, outputs):
        depthwise = nn.Conv2d(inputs, inputs, 3, 1, 1, groups=inputs, bias=False)
        return nn.Sequential(depthwise, nn.ELU(), nn.Conv2d(inputs, outputs, 1, bias=False), nn.ELU())

    class Cpm(nn.Module):
        def __init__(self):
            super().__init__()
            self.align = conv(512, 128, kernel_size=1, padding=0, bn=False)
            self.trunk = nn.Sequential(*(conv_dw_no_bn(128, 128) for _ in range(3)))
            self.conv = conv(128, 128, bn=False)

        def forward(self, x):
            x = self.align(x)
            return self.conv(x + self.trunk(x))

    class Stage(nn.Module):
        def __init__(self, trunk, width):
            super().__init__()
            self.trunk = trunk
            for name, channels in (("heatmaps", 19), ("pafs", 38)):
                head = nn.Sequential(
                    conv(128, width, kernel_size=1, padding=0, bn=False),
                    conv(width, channels, kernel_size=1, padding=0, bn=False, relu=False),
                )
                setattr(self, name, head)

        def forward(self, x):
            x = self.trunk(x)
            return [self.heatmaps(x), self.pafs(x)]

    class Block(nn.Module):
        def __init__(self, inputs):
            super().__init__()
            self.initial = conv(inputs, 128, kernel_size=1, padding=0, bn=False)
            self.trunk = nn.Sequential(conv(128, 128), conv(128, 128, dilation=2, padding=2))

        def forward(self, x):
            x = self.initial(x)
            return x + self.trunk(x)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = nn.Sequential(
                conv(3, 32, stride=2, bias=False), conv_dw(32, 64), conv_dw(64, 128, stride=2),
                conv_dw(128, 128), conv_dw(128, 256, stride=2), conv_dw(256, 256), conv_dw(256, 512),
                conv_dw(512, 512, dilation=2), *(conv_dw(512, 512) for _ in range(4)),
            )  # fmt: skip
            self.cpm = Cpm()
            self.initial_stage = Stage(nn.Sequential(*(conv(128, 128, bn=False) for _ in range(3))), 512)
            self.refinement_stages = nn.ModuleList(
                Stage(nn.Sequential(Block(128 + 57), *(Block(128) for _ in range(4))), 128)
                for _ in range(num_refinement_stages)
            )

        def forward(self, x):
            features = self.cpm(self.model(x))
            stages = [self.initial_stage(features)]
            for stage in self.refinement_stages:
                stages.append(stage(torch.cat([features, *stages[-1]], dim=1)))
            return stages

    return Network().eval()
