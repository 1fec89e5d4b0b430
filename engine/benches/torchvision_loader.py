#!/usr/bin/env python3
"""How many photographs a second torchvision makes ready for a network.

The same work as `relativenas benchmark loader`: an image folder is read, decoded by Pillow, cropped at
random to 224 pixels, mirrored, changed in its colours, and put into batches. It needs torch and
torchvision; the folder can be made by `relativenas benchmark loader --keep FOLDER`:

    taskset -c 0 python3 engine/benches/torchvision_loader.py --data FOLDER
    taskset -c 0 relativenas benchmark loader --data FOLDER
"""

import argparse
import json
import statistics
import time

import torch
import torchvision
from torchvision import transforms


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with train/CLASS/*.jpg")
    parser.add_argument("--images", type=int, default=256, help="photographs in a pass; 0 takes all")
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=0, help="processes of the DataLoader; 0 decodes in its own")
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--validation", action="store_true", help="resize, and crop the middle")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    if arguments.validation:
        views = [transforms.Resize(arguments.side * 256 // 224), transforms.CenterCrop(arguments.side)]
    else:
        views = [
            transforms.RandomResizedCrop(arguments.side),
            transforms.RandomHorizontalFlip(),
            transforms.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.2),
        ]
    # Bytes, as `relativenas benchmark loader` makes them: both leave the conversion to numbers to the device.
    view = transforms.Compose([*views, transforms.PILToTensor()])
    data = torchvision.datasets.ImageFolder(f"{arguments.data}/train", view)
    if arguments.images:
        data = torch.utils.data.Subset(data, range(min(arguments.images, len(data))))
    loader = torch.utils.data.DataLoader(
        data, arguments.batch, shuffle=True, num_workers=arguments.threads, persistent_workers=arguments.threads > 0
    )

    def rate():
        start = time.perf_counter()
        seen = sum(len(labels) for _, labels in loader)
        return seen / (time.perf_counter() - start)

    first = rate()
    result = {
        "images": len(data),
        "threads": arguments.threads,
        "first_pass": first,
        "images_per_second": statistics.median(rate() for _ in range(arguments.passes)),
        "torchvision": torchvision.__version__,
    }
    if arguments.json:
        print(json.dumps(result))
    else:
        print(f"{result['images_per_second']:.0f} photographs/s; {first:.0f}/s in the first pass")


if __name__ == "__main__":
    main()
