"""Image-forensics layers for Keras 3.

Importing the package registers its components, so that `keras.models.load_model`
finds them without `custom_objects`.
"""

from keras_forensics import (
    constraints,
    filters,
    jpeg,
    layers,
    ops,
    quantization_tables,
    schedules,
)
from keras_forensics.constraints import BayarConstraint
from keras_forensics.layers import (
    BayarConv2D,
    BlockDCT2D,
    ChannelAttention,
    ColorRichFeatures,
    Cooccurrence2D,
    DCTRFeatures,
    ErrorLevel,
    ForensicStream,
    ForensicStreamV3,
    GatedFusion,
    GFRFeatures,
    HaarPyramid2D,
    JPEGCompression,
    JPEGGrid,
    MedianResidual,
    NPRResidual,
    RandomJPEGCompression,
    SPAMFeatures,
    SpectralProfile,
    SRMFeatures,
    SRMFilterBank,
    SRMLayerV3,
    StatisticsPooling2D,
    TextureContrast,
)
from keras_forensics.schedules import WarmupCosineDecay

__version__ = "0.1.0"

__all__ = [
    "BayarConstraint",
    "BayarConv2D",
    "BlockDCT2D",
    "ChannelAttention",
    "ColorRichFeatures",
    "Cooccurrence2D",
    "DCTRFeatures",
    "ErrorLevel",
    "ForensicStream",
    "ForensicStreamV3",
    "GFRFeatures",
    "GatedFusion",
    "HaarPyramid2D",
    "JPEGCompression",
    "JPEGGrid",
    "MedianResidual",
    "NPRResidual",
    "RandomJPEGCompression",
    "SPAMFeatures",
    "SRMFeatures",
    "SRMFilterBank",
    "SRMLayerV3",
    "SpectralProfile",
    "StatisticsPooling2D",
    "TextureContrast",
    "WarmupCosineDecay",
    "constraints",
    "filters",
    "jpeg",
    "layers",
    "ops",
    "quantization_tables",
    "schedules",
]
