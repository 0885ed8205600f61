"""Image-forensics layers for Keras 3.

Importing the package registers its components, so that `keras.models.load_model`
finds them without `custom_objects`.
"""

from keras_forensics import constraints, filters, layers, ops, schedules
from keras_forensics.constraints import BayarConstraint
from keras_forensics.layers import (
    BayarConv2D,
    ChannelAttention,
    ColorRichFeatures,
    Cooccurrence2D,
    DCTRFeatures,
    ForensicStream,
    ForensicStreamV3,
    GatedFusion,
    SPAMFeatures,
    SRMFeatures,
    SRMFilterBank,
    SRMLayerV3,
    StatisticsPooling2D,
)
from keras_forensics.schedules import WarmupCosineDecay

__version__ = "0.1.0"

__all__ = [
    "BayarConstraint",
    "BayarConv2D",
    "ChannelAttention",
    "ColorRichFeatures",
    "Cooccurrence2D",
    "DCTRFeatures",
    "ForensicStream",
    "ForensicStreamV3",
    "GatedFusion",
    "SPAMFeatures",
    "SRMFeatures",
    "SRMFilterBank",
    "SRMLayerV3",
    "StatisticsPooling2D",
    "WarmupCosineDecay",
    "constraints",
    "filters",
    "layers",
    "ops",
    "schedules",
]
