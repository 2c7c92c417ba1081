"""Optimisers and learning rate schedules, with PyTorch's names."""

from . import lr_scheduler as lr_scheduler, scipy as scipy, swa_utils as swa_utils
from .accumulation import Accumulation
from .adadelta import Adadelta
from .adafactor import Adafactor
from .adagrad import Adagrad
from .adam import Adam, AdamW
from .adamax import Adamax
from .asgd import ASGD
from .clipping import clip_grad_adaptive_
from .gauss_newton import GaussNewton, LevenbergMarquardt
from .lamb import LAMB
from .lbfgs import LBFGS
from .lion import Lion
from .muon import Muon
from .nadam import NAdam
from .newton_cg import NewtonCG
from .optimizer import Optimizer
from .precision import GradScaler, MasterWeights
from .radam import RAdam
from .rmsprop import RMSprop
from .rprop import Rprop
from .sgd import SGD
from .sparse_adam import SparseAdam
from .swa_utils import AveragedModel, get_ema_avg_fn, get_swa_avg_fn, update_bn

__all__ = [
    "ASGD",
    "LAMB",
    "LBFGS",
    "SGD",
    "Accumulation",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "AveragedModel",
    "GaussNewton",
    "GradScaler",
    "LevenbergMarquardt",
    "Lion",
    "MasterWeights",
    "Muon",
    "NAdam",
    "NewtonCG",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "clip_grad_adaptive_",
    "get_ema_avg_fn",
    "get_swa_avg_fn",
    "lr_scheduler",
    "scipy",
    "swa_utils",
    "update_bn",
]
