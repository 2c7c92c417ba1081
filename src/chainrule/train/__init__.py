"""Training in one call: `fit`, which is a loop that one could write by hand, `Trainer`, callbacks, metrics and checkpoints."""

from .callbacks import (
    Callback as Callback,
    CSVLogger as CSVLogger,
    EarlyStopping as EarlyStopping,
    LearningRateScheduler as LearningRateScheduler,
    ProgressBar as ProgressBar,
    TensorBoard as TensorBoard,
)
from .checkpoints import ModelCheckpoint as ModelCheckpoint
from .history import DivergedError as DivergedError, History as History
from .metrics import (
    AUC as AUC,
    F1 as F1,
    MAE as MAE,
    MSE as MSE,
    R2 as R2,
    Accuracy as Accuracy,
    ConfusionMatrix as ConfusionMatrix,
    Mean as Mean,
    Metric as Metric,
    Perplexity as Perplexity,
    Precision as Precision,
    Recall as Recall,
    TopK as TopK,
    accuracy as accuracy,
)
from .trainer import Trainer as Trainer, evaluate as evaluate, fit as fit
