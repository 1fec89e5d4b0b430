

class Features(Network):
    """The network without its classifier: maps at strides 8, 16 and 32, for a detector or a decoder.

    `out_channels` and the names of the maps are what torchvision's detectors ask of a backbone. Sides of
    images are multiples of 32.
    """

    def __init__(self, channels={{channels}}, cells={{cells}}, genotype=GENOTYPE):
        super().__init__(channels, cells, 1, "imagenet", False, genotype)
        del self.classifier
        self.taps = [cells // 3 - 1, 2 * cells // 3 - 1, cells - 1]
        widths = [channels, 2 * channels, 4 * channels]
        kinds = ["reduce" if tap in (cells // 3, 2 * cells // 3) else "normal" for tap in self.taps]
        self.out_channels = [width * len(genotype[f"{kind}_concat"]) for width, kind in zip(widths, kinds)]

    def forward(self, images):
        before_last = self.stem0(images)
        last = self.stem1(before_last)
        maps = {}
        for index, cell in enumerate(self.cells):
            before_last, last = last, cell(before_last, last, self.drop_path)
            if index in self.taps:
                maps[str(len(maps))] = last
        return maps

    def load_classifier(self, state):
        """Takes weights that were trained for classification; the classifiers among them are left out."""
        heads = ("classifier.", "auxiliary_head.")
        return self.load_state_dict({n: t for n, t in state.items() if not n.startswith(heads)})
