"""Datasets, batches of them, what is done to images and texts on the way, and real data to train on."""

from . import transforms as transforms
from .arrays import create_memory_map as create_memory_map, memory_map as memory_map
from .collate import default_collate as default_collate, default_convert as default_convert
from .corpora import (
    Verse as Verse,
    load_bible as load_bible,
    load_bible_text as load_bible_text,
    load_fortunes as load_fortunes,
    strips as strips,
)
from .dataset import (
    ChainDataset as ChainDataset,
    ConcatDataset as ConcatDataset,
    Dataset as Dataset,
    IterableDataset as IterableDataset,
    MapDataset as MapDataset,
    StackDataset as StackDataset,
    Subset as Subset,
    TensorDataset as TensorDataset,
)
from .edits import edit_distance as edit_distance, error_rate as error_rate
from .folders import ImageFolder as ImageFolder
from .idx import read_idx as read_idx
from .images import (
    ImageDataset as ImageDataset,
    load_digits as load_digits,
    load_fashion_mnist as load_fashion_mnist,
)
from .loader import DataLoader as DataLoader
from .medicine import GeneExpression as GeneExpression, load_gene_expression as load_gene_expression
from .ngram_model import ngram_bits as ngram_bits
from .photographs import load_photographs as load_photographs
from .pronunciations import (
    LetterTable as LetterTable,
    PronunciationDataset as PronunciationDataset,
    load_cmudict as load_cmudict,
)
from .r_tables import load_r_table as load_r_table
from .ratings import Ratings as Ratings, load_movielens as load_movielens
from .samplers import (
    BatchSampler as BatchSampler,
    BucketBatchSampler as BucketBatchSampler,
    DistributedSampler as DistributedSampler,
    DrawnSampler as DrawnSampler,
    RandomSampler as RandomSampler,
    Sampler as Sampler,
    SequentialSampler as SequentialSampler,
    SubsetRandomSampler as SubsetRandomSampler,
    WeightedRandomSampler as WeightedRandomSampler,
)
from .speech import load_spoken_digits as load_spoken_digits, log_mel as log_mel, speak as speak
from .splits import k_fold as k_fold, random_split as random_split, train_validation_split as train_validation_split
from .streams import stream as stream
from .tables import Table as Table, load_table as load_table
from .text import (
    PadCollate as PadCollate,
    TextLines as TextLines,
    Tokenizer as Tokenizer,
    Vocabulary as Vocabulary,
    Windows as Windows,
    ngrams as ngrams,
)
from .workers import WorkerError as WorkerError, WorkerInfo as WorkerInfo, get_worker_info as get_worker_info
