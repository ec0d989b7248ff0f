"""Metadata and dependencies of alexnet-tf."""

import pathlib
import re

import setuptools

HERE = pathlib.Path(__file__).parent
# Read, not imported: the package needs what is about to be installed.
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "alexnet_tf" / "__init__.py").read_text(), re.MULTILINE)[1]

# Enough to label images, to evaluate and to export.
INFERENCE = (HERE / "requirements-inference.txt").read_text().splitlines()
TRAINING = [
    "tensorboard",
    "tensorflow-datasets",
    # Which tensorflow-datasets 4.9.10 and its tensorflow-metadata need, and do not ask for.
    "importlib_resources",
    "protobuf>=6.31.1",
    "array_record; platform_system != 'Windows'",  # For which there is no wheel.
]
ONNX = ["tf2onnx>=1.17", "onnx", "onnxruntime"]
# 145 MB, nearly all of it SciPy. It requires one version of ai-edge-litert exactly.
INT4 = ["ai-edge-quantizer>=0.10"]

setuptools.setup(
    name="alexnet-tf",
    version=VERSION,
    description="AlexNet (2012) on TensorFlow and Keras 3: two towers, trained, evaluated and exported",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    author="The alexnet-tf authors",
    license="Apache-2.0",
    keywords="alexnet imagenet keras tensorflow tflite image-classification deep-learning",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.10",
    packages=setuptools.find_packages(include=["alexnet_tf", "alexnet_tf.*"]),
    package_data={"alexnet_tf": ["py.typed", "models/pretrained/*.tsv", "models/pretrained/data/*"]},
    install_requires=[*INFERENCE, *TRAINING],
    extras_require={
        "gpu": ["tensorflow[and-cuda]"],
        "plots": ["matplotlib"],
        "onnx": ONNX,
        "int4": INT4,
        "dev": [
            "pytest",
            "pytest-xdist",
            "ruff==0.17.6",  # As in .pre-commit-config.yaml.
            "mypy==2.4.1",
            "opencv-python-headless<5",
            "pillow",
            "torch==2.13.0",
            "matplotlib",
            *ONNX,
            "tensorflow-serving-api",
        ],
        "docs": ["mkdocs>=1.6,<2", "mkdocs-material", "mkdocstrings[python]", "mkdocs-jupyter"],
        "bench": ["openvino", "pillow", "torch", *ONNX, *INT4],
    },
    entry_points={"console_scripts": ["alexnet-tf=alexnet_tf.cli.main:main"]},
)
