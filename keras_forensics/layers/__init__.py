"""Forensic layers, each in the module of its name: configuration, weights and a call.

May import `arguments`, `filters`, `ops` and `constraints`; the arithmetic is in `ops`.
"""

from keras_forensics.layers.bayar_conv2d import BayarConv2D
from keras_forensics.layers.block_dct2d import BlockDCT2D
from keras_forensics.layers.channel_attention import ChannelAttention
from keras_forensics.layers.color_rich_features import ColorRichFeatures
from keras_forensics.layers.cooccurrence2d import Cooccurrence2D
from keras_forensics.layers.dctr_features import DCTRFeatures
from keras_forensics.layers.error_level import ErrorLevel
from keras_forensics.layers.forensic_stream import ForensicStream
from keras_forensics.layers.forensic_stream_v3 import ForensicStreamV3
from keras_forensics.layers.gated_fusion import GatedFusion
from keras_forensics.layers.gfr_features import GFRFeatures
from keras_forensics.layers.haar_pyramid2d import HaarPyramid2D
from keras_forensics.layers.jpeg_compression import JPEGCompression
from keras_forensics.layers.jpeg_grid import JPEGGrid
from keras_forensics.layers.median_residual import MedianResidual
from keras_forensics.layers.npr_residual import NPRResidual
from keras_forensics.layers.random_jpeg_compression import RandomJPEGCompression
from keras_forensics.layers.spam_features import SPAMFeatures
from keras_forensics.layers.spectral_profile import SpectralProfile
from keras_forensics.layers.srm_features import SRMFeatures
from keras_forensics.layers.srm_filter_bank import SRMFilterBank
from keras_forensics.layers.srm_layer_v3 import SRMLayerV3
from keras_forensics.layers.statistics_pooling2d import StatisticsPooling2D
from keras_forensics.layers.texture_contrast import TextureContrast

__all__ = [
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
]
