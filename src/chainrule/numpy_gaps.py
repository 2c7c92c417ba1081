"""NumPy's functions that do not take Tensors, and why: what the error says, and what the documentation lists."""

_FILES = "reads or writes files; pass x.detach().numpy()"
_TEXT = "is about text, not numbers"
_DATES = "is about dates, which have no derivative"
_BUFFERS = "makes arrays of bytes, text or Python objects, none of which is a Tensor"
_SETTINGS = "is a setting of NumPy and takes no array"
_TYPES = "is about dtypes and takes no array"
_MATRIX = "makes an np.matrix, which NumPy itself advises against; arrays have the @ operator"
_BITS = "works on the bits of bytes, which have no derivative; pass x.detach().numpy()"
_MEMORY = "asks how an array lies in memory, of which a Tensor has none of its own"
_EARLY = "makes a plain array of its argument before a Tensor can answer"

# Functions that a Tensor cannot be given to, or that have no use for one.
REASONS = {
    **dict.fromkeys(
        ["fromfile", "fromregex", "genfromtxt", "load", "loadtxt", "save", "savetxt", "savez", "savez_compressed"], _FILES
    ),
    **dict.fromkeys(["base_repr", "binary_repr", "format_float_positional", "format_float_scientific"], _TEXT),
    **dict.fromkeys(["busday_count", "busday_offset", "datetime_as_string", "datetime_data", "is_busday", "isnat"], _DATES),
    **dict.fromkeys(["frombuffer", "fromiter", "fromstring"], _BUFFERS),
    **dict.fromkeys(
        ["get_include", "get_printoptions", "getbufsize", "geterr", "geterrcall", "info", "printoptions", "set_printoptions",
         "setbufsize", "seterr", "seterrcall", "show_config", "show_runtime", "test"], _SETTINGS
    ),
    **dict.fromkeys(["isdtype", "issubdtype", "mintypecode", "promote_types", "typename"], _TYPES),
    **dict.fromkeys(["asmatrix", "bmat"], _MATRIX),
    **dict.fromkeys(["packbits", "unpackbits"], _BITS),
    **dict.fromkeys(["isfortran", "nested_iters"], _MEMORY),
    "frompyfunc": "makes a function of Python objects; chainrule.numpy.vectorize calls one for each element",
    "iterable": "asks whether something can be iterated over, and answers for Tensors by itself",
    "isscalar": "answers for Tensors by itself: they are arrays, not single numbers",
}  # fmt: skip

# Functions that give arrays of numbers for shapes and ends: they take no array, and ours of the same name makes Tensors.
MAKERS = frozenset({
    "arange", "array", "asanyarray", "asarray", "asarray_chkfinite", "ascontiguousarray", "asfortranarray", "empty", "eye",
    "from_dlpack", "full", "identity", "ones", "require", "tri", "zeros",
})  # fmt: skip

# As makers, but their index arrays and windows are plain arrays here too.
INDICES = frozenset({
    "bartlett", "blackman", "broadcast_shapes", "diag_indices", "fromfunction", "hamming", "hanning", "indices", "kaiser",
    "mask_indices", "tril_indices", "triu_indices",
})  # fmt: skip
