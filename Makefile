# The two commands of the README: `make run` and `make test`. Both can be run again at once; what is
# already there is not fetched or built a second time.
#
#   make run       the terminal app on a quick search of embedded images
#   make test      every test
#   make install   both programs to PREFIX/bin (default ~/.local)
#   make view      the command alone, without libtorch: enough to look at runs
#   make mpi       the engine with ranks over MPI; needs mpicc and libclang
#   make cuda      the engine with CUDA, also where no NVIDIA device is present
#   make gpu-check golden tests, a search and throughput on the first GPU, as a page in target/gpu-check.md
#   make dist      both programs with the libraries that they need, as one archive

PREFIX ?= $(HOME)/.local
CARGO ?= cargo
# One profile serves run, test and CI, so that torch-sys (minutes of C++) is compiled once.
PROFILE := --release --workspace
# The oldest Rust that works is said once, in Cargo.toml.
MINIMUM_RUST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

# A libtorch of your own is honoured, LIBTORCH=/opt/libtorch make run, and that of an installed PyTorch:
# LIBTORCH_USE_PYTORCH=1 make run
ifneq ($(LIBTORCH_USE_PYTORCH),)
LIBTORCH_NEEDED := pytorch
LIBTORCH_FOLDER = $(shell python3 -c 'import os, torch; print(os.path.dirname(torch.__file__))')
else ifeq ($(origin LIBTORCH), undefined)
LIBTORCH_NEEDED := libtorch
endif
LIBTORCH_FOLDER ?= $(or $(LIBTORCH),.libtorch/torch)
# The bindings ask whether it is set, not to what.
ifeq ($(LIBTORCH_USE_PYTORCH),)
unexport LIBTORCH_USE_PYTORCH
endif
# The version that the bindings take is said once, where it is installed.
LIBTORCH_VERSION := $(shell sed -n 's/^version=//p' engine/install-libtorch)

.PHONY: run test lint build install view mpi mpi-tools cuda gpu-check dist libtorch pytorch toolchain

run: build
	@target/release/relativenas search --preset quick

test: $(LIBTORCH_NEEDED) toolchain
	@echo "Building and running all tests (the first time compiles libtorch's bindings: about 5 minutes) …" >&2
	$(CARGO) build $(PROFILE) --bins
	$(CARGO) test $(PROFILE)

lint: $(LIBTORCH_NEEDED) toolchain
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(PROFILE) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(PROFILE) --no-deps

build: $(LIBTORCH_NEEDED) toolchain
	@test -x target/release/relativenas-engine || echo "Building (the first time compiles libtorch's bindings: about 5 minutes) …" >&2
	@$(CARGO) build $(PROFILE) --bins

install: build
	install -d "$(PREFIX)/bin"
	install target/release/relativenas target/release/relativenas-engine "$(PREFIX)/bin"

view: toolchain
	$(CARGO) build --release --package relativenas
	@echo "target/release/relativenas views runs; it needs no libtorch" >&2

# Only the engine and MPI's bindings differ from `make build`; both share what was compiled.
mpi: $(LIBTORCH_NEEDED) toolchain mpi-tools
	$(CARGO) build $(PROFILE) --bins --features relativenas-engine/mpi
	@echo "target/release/relativenas-engine knows MPI; \`relativenas train --ranks 2\` uses it" >&2

mpi-tools:
	@command -v mpicc >/dev/null || { echo "error: mpicc is missing; install an MPI (Debian: apt install openmpi-bin libopenmpi-dev)" >&2; exit 1; }
	@llvm-config --libdir >/dev/null 2>&1 || \
	ls "$${LIBCLANG_PATH:-/nonexistent}" /usr/lib /usr/lib64 /usr/local/lib /usr/lib/*-linux-gnu /usr/lib/llvm*/lib 2>/dev/null | \
	grep -Eq '^libclang(-[0-9.]+)?\.so' || \
	{ echo "error: libclang is missing, which reads MPI's headers; install it (Debian: apt install libclang-dev), or name its folder in LIBCLANG_PATH" >&2; exit 1; }

cuda: toolchain
	@[ -z "$(LIBTORCH_USE_PYTORCH)" ] || { echo "error: LIBTORCH_USE_PYTORCH is set, whose PyTorch has CUDA or has not; use \`make build\`, or unset it" >&2; exit 1; }
	@RELATIVENAS_LIBTORCH=cuda engine/install-libtorch
	$(CARGO) build $(PROFILE) --bins

gpu-check: build
	@engine/gpu-check

dist: build
	@engine/make-dist "$(LIBTORCH_FOLDER)"

libtorch:
	@engine/install-libtorch

pytorch:
	@found=$$(python3 -c 'import torch; print(torch.__version__)') || \
	{ echo "error: LIBTORCH_USE_PYTORCH is set, but python3 has no PyTorch; install torch $(LIBTORCH_VERSION) (pip install torch==$(LIBTORCH_VERSION)), or unset it" >&2; exit 1; }; \
	[ "$${found%%+*}" = "$(LIBTORCH_VERSION)" ] || \
	{ echo "error: LIBTORCH_USE_PYTORCH is set, and python3 has PyTorch $$found; the bindings take $(LIBTORCH_VERSION) alone: install that (pip install torch==$(LIBTORCH_VERSION)), or unset it" >&2; exit 1; }

toolchain:
	@command -v $(CARGO) >/dev/null || { echo "error: cargo is missing; install Rust $(MINIMUM_RUST) or newer (see rust-lang.org)" >&2; exit 1; }
	@found=$$($(CARGO) --version | cut -d' ' -f2); \
	oldest=$$(printf '%s\n' "$(MINIMUM_RUST)" "$$found" | sort -V | head -n 1); \
	[ "$$oldest" = "$(MINIMUM_RUST)" ] || { echo "error: Rust $$found is too old; install $(MINIMUM_RUST) or newer (rustup update stable)" >&2; exit 1; }
	@command -v c++ >/dev/null || { echo "error: a C++ compiler is missing; install one (Debian: apt install g++)" >&2; exit 1; }
