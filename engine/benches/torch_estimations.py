#!/usr/bin/env python3
"""How many images a second plain PyTorch trains and validates, doing the estimations of a search.

The same work as `relativenas benchmark throughput`, on any device: every genotype of a JSON list inherits
the weights of those before that have the same name and shape, trains one epoch, and is validated. The networks come
from a file that `relativenas export --format pytorch` wrote:

    relativenas export RUN --format pytorch -o network.py
    python3 engine/benches/torch_estimations.py --network network.py --device cuda:0

Images are noise. They lie on the device from the beginning, and are cropped, mirrored and cut out there, a batch at
a time, so that nothing waits for a loader: the best that a program of this kind can do.
"""

import argparse
import importlib.util
import json
import pathlib
import time

import torch
from torch import nn

GENOTYPES = pathlib.Path(__file__).with_name("genotypes.json")
VALIDATION_BATCH = 256


def augmented(images, padding=4, cutout=16):
    """Crops each image at random, mirrors half of them, and cuts out a square."""
    count, _, side, _ = images.shape
    device = images.device
    padded = nn.functional.pad(images, [padding] * 4)
    pixels = torch.arange(side, device=device)
    shift = torch.randint(2 * padding + 1, (2, count, 1), device=device)
    rows, columns = pixels + shift[0], pixels + shift[1]
    mirrored = torch.rand(count, 1, device=device) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    number = torch.arange(count, device=device)
    cropped = padded.permute(0, 2, 3, 1)[number[:, None, None], rows[:, :, None], columns[:, None, :]]
    centre = torch.randint(side, (2, count, 1), device=device)
    outside = ((pixels - centre).abs() >= cutout // 2).float()
    kept = torch.maximum(outside[0][:, :, None], outside[1][:, None, :])
    return (cropped * kept[..., None]).permute(0, 3, 1, 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", required=True, help="a network that `relativenas export` wrote for PyTorch")
    parser.add_argument("--genotypes", default=GENOTYPES)
    parser.add_argument("--train-images", type=int, default=1024)
    parser.add_argument("--valid-images", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["f32", "tf32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = arguments.precision != "f32"
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None

    spec = importlib.util.spec_from_file_location("network", arguments.network)
    network = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(network)
    genotypes = json.loads(pathlib.Path(arguments.genotypes).read_text())

    def images(count):
        pixels = torch.randn(count, 3, 32, 32, device=device).contiguous(memory_format=torch.channels_last)
        return pixels, torch.randint(10, (count,), device=device)

    train, valid = images(arguments.train_images), images(arguments.valid_images)
    half = torch.autocast(device.type, torch.bfloat16, enabled=arguments.precision == "bf16")
    loss_of = nn.CrossEntropyLoss()
    shared = {}
    spent = {"train": 0.0, "valid": 0.0}
    losses = []
    parameters = []

    def estimate(genotype):
        for key in ("normal_concat", "reduce_concat"):
            genotype.setdefault(key, [2, 3, 4, 5])
        model = network.Network(arguments.channels, arguments.layers, 10, "cifar", False, genotype)
        model.drop_path = 0.1
        parameters.append(sum(p.numel() for p in model.parameters()))
        weights = model.state_dict()
        for name, tensor in weights.items():
            if name in shared and shared[name].shape == tensor.shape:
                tensor.copy_(shared[name])
        model = model.to(device, memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=3e-4)

        wait()
        start = time.perf_counter()
        model.train()
        order = torch.randperm(len(train[1]), device=device)
        for places in order.split(arguments.batch):
            optimizer.zero_grad(set_to_none=True)
            batch = augmented(train[0][places]).contiguous(memory_format=torch.channels_last)
            with half:
                loss = loss_of(model(batch)[0], train[1][places])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
        wait()
        trained = time.perf_counter()
        model.eval()
        total = torch.zeros((), device=device)
        with torch.no_grad(), half:
            for batch, labels in zip(valid[0].split(VALIDATION_BATCH), valid[1].split(VALIDATION_BATCH)):
                total += loss_of(model(batch), labels) * len(labels)
        losses.append(total.item() / len(valid[1]))
        wait()
        spent["train"] += trained - start
        spent["valid"] += time.perf_counter() - trained
        shared.update({name: tensor.detach().cpu() for name, tensor in model.state_dict().items()})

    if device.type == "cuda":
        # Algorithms are chosen before the time is taken, as they are in a search after its first pairs.
        for genotype in genotypes:
            estimate(genotype)
        spent.update(train=0.0, valid=0.0)
        losses.clear()
        parameters.clear()
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    for genotype in genotypes:
        estimate(genotype)
    seconds = time.perf_counter() - start
    learners = len(genotypes)
    result = {
        "learners": learners,
        "seconds": seconds,
        "train_images_per_second": learners * arguments.train_images / spent["train"],
        "valid_images_per_second": learners * arguments.valid_images / spent["valid"],
        "images_per_second": learners * (arguments.train_images + arguments.valid_images) / seconds,
        "losses": losses,
        "parameters": parameters,
        "peak_bytes": torch.cuda.max_memory_allocated() if device.type == "cuda" else None,
        "torch": torch.__version__,
    }
    if arguments.json:
        print(json.dumps(result))
    else:
        print(
            f"{learners} learners in {seconds:.1f} s: {result['train_images_per_second']:.0f} images/s trained, "
            f"{result['valid_images_per_second']:.0f} images/s validated, {result['images_per_second']:.0f} images/s in all"
        )


if __name__ == "__main__":
    main()
