"""Which names a pickle may import, and which of these it may call: a list of what may, by the packages that a model requires."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lockgate.models.artifact.pickle_values import JOBLIB_ARRAY, Import, Importer, Made

# Data alone, whatever they are called with.
_PLAIN = frozenset(
    f"{module}.{name}"
    for module, names in {
        "builtins": "object set frozenset dict list tuple int float bool str bytes bytearray complex slice range",
        "collections": "OrderedDict defaultdict Counter deque",
        "copyreg": "_reconstructor __newobj__ __newobj_ex__",
        "_codecs": "encode",
        "datetime": "date datetime time timedelta timezone",
        "zoneinfo": "ZoneInfo ZoneInfo._unpickle",
        "decimal": "Decimal",
        "fractions": "Fraction",
        "uuid": "UUID",
        "array": "array _array_reconstructor",
        "random": "Random",
        "re": "_compile",
        "operator": "itemgetter",
        "types": "SimpleNamespace",
        "logging": "getLogger",
        "pathlib": "PurePosixPath PurePath PosixPath Path",
        "joblib.numpy_pickle": "NumpyArrayWrapper",
        "numpy": "copy dtype ndarray matrix recarray record ma.core.MaskedArray",
        "numpy.ma.core": "MaskedArray _mareconstruct",
        **dict.fromkeys(("numpy.core.multiarray", "numpy._core.multiarray"), "_reconstruct scalar"),
        **dict.fromkeys(("numpy.core.numeric", "numpy._core.numeric"), "_frombuffer"),
        **dict.fromkeys(("numpy.core", "numpy._core"), "_ufunc_reconstruct"),
        **dict.fromkeys(("numpy.core._internal", "numpy._core._internal"), "_convert_to_stringdtype_kwargs"),
        "numpy.random._pickle": "__randomstate_ctor __bit_generator_ctor __generator_ctor",
        "scipy.sparse._matrix": "spmatrix",
        "sklearn.metrics._dist_metrics": "newObj",
        "sklearn.metrics._scorer": "_passthrough_scorer",
        "sklearn.preprocessing._function_transformer": "_identity",
        "sklearn.neighbors._kd_tree": "newObj",
        "sklearn.neighbors._ball_tree": "newObj",
        "pandas": "DataFrame Series Index RangeIndex MultiIndex DatetimeIndex TimedeltaIndex PeriodIndex IntervalIndex CategoricalIndex "
        "Categorical CategoricalDtype StringDtype DatetimeTZDtype PeriodDtype IntervalDtype SparseDtype ArrowDtype BooleanDtype "
        "Int8Dtype Int16Dtype Int32Dtype Int64Dtype UInt8Dtype UInt16Dtype UInt32Dtype UInt64Dtype Float32Dtype Float64Dtype "
        "Timestamp Timedelta Period Interval",
        "pandas.core.internals.managers": "BlockManager SingleBlockManager",
        "pyarrow.lib": "_restore_array type_for_alias py_buffer",
        "pandas._libs.internals": "_unpickle_block",
        "pandas._libs.tslibs.timestamps": "_unpickle_timestamp",
        "pandas._libs.tslibs.timedeltas": "_timedelta_unpickle",
        "pandas._libs.arrays": "__pyx_unpickle_NDArrayBacked",
        "pandas.core.indexes.base": "_new_Index",
        "pandas.core.indexes.datetimes": "_new_DatetimeIndex",
        "pandas.core.indexes.timedeltas": "_new_TimedeltaIndex",
        "pandas.core.indexes.interval": "_new_IntervalIndex",
        "pandas._libs.tslibs.nattype": "_nat_unpickle",
        "torch": "Size device Tensor float16 bfloat16 float32 float64 uint8 int8 int16 int32 int64 bool complex64 complex128 "
        "FloatStorage DoubleStorage HalfStorage BFloat16Storage LongStorage IntStorage ShortStorage CharStorage ByteStorage BoolStorage",
        "torch.storage": "UntypedStorage TypedStorage",
        "torch._utils": "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter _rebuild_parameter_with_state "
        "_rebuild_qtensor _rebuild_sparse_tensor",
        "torch.nn.parameter": "Parameter Buffer",
    }.items()
    for name in names.split()
)
_CLASS = re.compile(r"_*[A-Z][A-Za-z0-9_]*")
_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_UNPICKLES = re.compile(r"__pyx_unpickle_\w+")
_NUMBER = re.compile(
    r"numpy\.(bool_?|str_|bytes_|void|object_|datetime64|timedelta64|u?int\d*|float\d*|complex\d*|[ui]ntc|u?intp|longdouble)"
)

# Functions, and classes that are spelt as such, that models of these packages hold, by their modules: what is computed of numbers
# and texts alone. They are named, and called by whoever holds them, never by the pickle. Whatever is not here an owner allows.
_NUMPY = "|".join(
    word
    for line in (
        "abs absolute acos acosh add alltrue all allclose amax amin angle any append arange arccos arccosh arcsin arcsinh arctan",
        "arctan2 arctanh argmax argmin argpartition argsort argwhere around array array_equal array_split asanyarray asarray",
        "asarray_chkfinite ascontiguousarray asfortranarray asin asinh astype atan atan2 atanh atleast_1d atleast_2d atleast_3d average",
        "bincount bitwise_and bitwise_count bitwise_not bitwise_or bitwise_xor broadcast_to cbrt ceil choose clip column_stack",
        "compress concat concatenate conj conjugate convolve copysign corrcoef correlate cos cosh count_nonzero cov cross cumprod",
        "cumproduct cumsum cumulative_prod cumulative_sum deg2rad degrees delete diag diagonal diff digitize divide divmod dot dstack",
        "block dsplit ediff1d einsum empty empty_like equal exp exp2 expand_dims expm1 extract eye fabs finfo fix flatnonzero flip fliplr flipud float_power floor floor_divide",
        "fmax fmin fmod frexp full full_like gcd geomspace gradient greater greater_equal heaviside histogram hsplit hstack hypot i0 identity imag in1d",
        "inner insert iinfo interp intersect1d invert isclose isfinite isin isinf isnan isnat isneginf isposinf isreal kron lcm ldexp left_shift less",
        "less_equal linspace log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logspace matmul",
        "matrix_transpose max maximum mean median min minimum mod modf moveaxis multiply nan_to_num nanargmax nanargmin nancumprod",
        "nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar ndim negative nextafter nonzero",
        "not_equal ones ones_like outer packbits pad partition percentile permute_dims poly1d polyfit polyval positive pow power prod",
        "product ptp quantile rad2deg radians ravel real real_if_close reciprocal remainder repeat reshape resize right_shift rint roll",
        "rollaxis rot90 round round_ searchsorted select setdiff1d shape sign signbit sin sinc sinh size sort spacing split sqrt",
        "square squeeze stack std subtract sum swapaxes take take_along_axis tan tanh tensordot tile trace transpose trapezoid trapz",
        "tril triu true_divide trunc union1d unique unpackbits unwrap vander var vdot vecdot vectorize vsplit vstack where zeros",
        "zeros_like busdaycalendar errstate generic number integer signedinteger unsignedinteger inexact floating complexfloating",
        "flexible character clongdouble longlong ulonglong",
    )
    for word in line.split()
)
_TORCH = (
    "celu|elu|gelu|glu|hardshrink|hardsigmoid|hardswish|hardtanh|leaky_relu|log_sigmoid|logsigmoid|log_softmax|mish|prelu|relu|relu6"
    "|rrelu|selu|sigmoid|silu|softmax|softmin|softplus|softshrink|softsign|tanh|tanhshrink|threshold"
)
_SPARSE = "bsr|coo|csc|csr|dia|dok|lil"
_FUNCTIONS = re.compile(
    "|".join(
        rf"(?:{module})\.(?:{names})"
        for module, names in {
            r"numpy(?:\._?core\.(?:_multiarray_umath|multiarray|umath|fromnumeric|numeric|function_base|shape_base))?": _NUMPY,
            r"numpy\.(?:_?core\.)?(?:rec|records)": "recarray|record",
            r"numpy\.(?:char|_?core\.defchararray)": "chararray",
            r"numpy\.(?:char|strings|_?core\.(?:defchararray|strings))": "capitalize|center|lower|lstrip|replace|rstrip|strip"
            "|swapcase|title|upper|zfill",
            r"numpy\.matrixlib\.defmatrix": "matrix",
            r"numpy\.ma(?:\.core)?": "masked_array|mvoid|masked_invalid",
            r"numpy\._core\._ufunc_config": "_unspecified",
            r"numpy\.linalg(?:\._?linalg)?": "cholesky|det|eig|eigh|eigvals|eigvalsh|inv|lstsq|matrix_norm|matrix_power|matrix_rank|norm"
            "|pinv|qr|slogdet|solve|svd|svdvals|vector_norm",
            r"numpy\.fft(?:\._?pocketfft)?": "i?r?fft[2n]?",
            rf"scipy\.sparse(?:\._?(?:{_SPARSE}))?": f"(?:{_SPARSE})_(?:matrix|array)",
            r"scipy\.spatial\._?ckdtree": "cKDTree",
            r"scipy\.spatial\.distance": "braycurtis|canberra|chebyshev|cityblock|correlation|cosine|dice|euclidean|hamming|jaccard"
            "|jensenshannon|mahalanobis|minkowski|rogerstanimoto|russellrao|seuclidean|sokalmichener|sokalsneath|sqeuclidean|yule",
            r"scipy\.special\._(?:special_)?ufuncs(?:_cxx)?": r"(?!geterr|seterr|errstate)[a-z]\w*",
            r"scipy\.special(?:\._(?:basic|logsumexp))?": "boxcox|boxcox1p|cbrt|comb|digamma|entr|erf|erfc|erfinv|exp10|exp2|expit|expm1"
            "|factorial|gamma|gammaln|huber|inv_boxcox|inv_boxcox1p|kl_div|log1p|log_expit|log_ndtr|log_softmax|logit|logsumexp"
            "|ndtr|ndtri|polygamma|pseudo_huber|rel_entr|softmax|softplus|xlog1py|xlogy",
            r"scipy\.interpolate\._?interpolate": "interp1d|interp2d",
            r"scipy\.integrate\._ode": "dop853|dopri5|lsoda|vode|zvode",
            r"scipy\.signal\._?ltisys": "dlti|lti",
            r"scipy\.stats\._\w+": r"\w+_(?:gen|frozen)|rv_histogram|rv_sample",
            r"scipy\.stats\._distn_infrastructure": r"rv_\w+",
            r"scipy\.stats\._?kde": "gaussian_kde",
            r"scipy\.stats(?:\._?(?:stats|_stats_py|morestats|variation))?": "boxcox|gmean|gzscore|hmean|iqr|kurtosis|median_abs_deviation"
            "|mode|moment|pearsonr|rankdata|sem|skew|spearmanr|kendalltau|trim_mean|tmean|tstd|tvar|variation|yeojohnson|zmap|zscore",
            r"scipy\._lib\.array_api_compat\.numpy\._aliases": "asarray",
            r"sklearn\.cluster\._kmeans": "_kmeans_single_(?:lloyd|elkan)",
            r"sklearn\.compose\._column_transformer": "make_column_selector",
            r"sklearn\.utils\._encode": "_nandict",
            r"sklearn\.utils\.extmath": "density|row_norms|safe_sparse_dot|softmax|squared_norm",
            r"sklearn\.covariance\._\w+": "empirical_covariance|ledoit_wolf|oas|shrunk_covariance",
            r"sklearn\.feature_selection\._(?:univariate_selection|mutual_info)": "chi2|f_classif|f_oneway|f_regression|r_regression"
            "|mutual_info_classif|mutual_info_regression",
            r"sklearn\.feature_extraction\.text": "strip_accents_ascii|strip_accents_unicode|strip_tags",
            r"sklearn\.preprocessing\._(?:data|label)": "add_dummy_feature|binarize|label_binarize|(?:(?:maxabs|minmax|robust)_)?scale"
            "|normalize|power_transform|quantile_transform",
            r"sklearn\.metrics\.pairwise": "(?:additive_chi2|chi2|laplacian|linear|polynomial|rbf|sigmoid)_kernel|cosine_similarity"
            "|(?:cosine|euclidean|haversine|manhattan|nan_euclidean)_distances",
            r"(?:sklearn|imblearn)\.metrics\.(?:cluster\.)?_\w+": r"(?!check_|get_)\w+_(?:score|error|loss|deviance|ratio|samples|entropy)"
            "|(?:positive|negative)_likelihood_ratio|auc|matthews_corrcoef|confusion_matrix|r2_score",
            r"torch\.nn\.functional": _TORCH,
            r"torch\._C\._nn": _TORCH,
            r"statsmodels\.genmod\.families\.links": "cauchy|cloglog|identity|inverse_power|inverse_squared|log|logc|logit|loglog|nbinom"
            "|probit|sqrt",
            r"statsmodels\.tsa\.statespace\._\w+": r"[sdcz][A-Z]\w+",
            r"statsmodels\.duration\.hazard_regression": "rv_discrete_float",
            r"statsmodels\.regression\.mixed_linear_model": "_mixedlm_distribution",
        }.items()
    )
)


@dataclass(frozen=True)
class Package:
    """A package whose classes a model may hold. distributions: that bring it. below: where in it, anywhere where empty.
    constructs: where in it classes are called with what was stored; those of elsewhere are only filled with it."""

    root: str
    distributions: tuple[str, ...]
    below: tuple[str, ...] = ()
    constructs: tuple[str, ...] = ()


_PACKAGES = (
    Package("numpy", ()),
    Package("scipy", ()),
    Package("sklearn", (), constructs=("sklearn._loss._loss", "sklearn.linear_model._sgd_fast", "sklearn.tree._tree")),
    Package("pandas", (), ("pandas.core", "pandas.arrays", "pandas._libs", "pandas._typing", "pandas.tseries")),
    Package("xgboost", ("xgboost", "xgboost-cpu"), ("xgboost.core", "xgboost.sklearn", "xgboost.callback")),
    Package("lightgbm", ("lightgbm",), ("lightgbm.basic", "lightgbm.sklearn", "lightgbm.callback", "lightgbm.compat")),
    Package("catboost", ("catboost",), ("catboost.core", "_catboost")),
    Package("_catboost", ("catboost",)),
    Package("statsmodels", ("statsmodels",)),
    Package("imblearn", ("imbalanced-learn",)),
    Package("category_encoders", ("category-encoders",)),
    Package("feature_engine", ("feature-engine",)),
    Package("torch", ("torch",), ("torch.nn.modules", "torch.nn.functional", "torch.nn.parameter", "torch.optim", "torch._C._nn")),
)  # fmt: skip
# Parts of those packages that open files, read pickles, or run what they are handed.
_CLOSED = (
    *("numpy.f2py", "numpy.distutils", "numpy.testing", "numpy.ctypeslib", "numpy.compat", "numpy.lib", "numpy.typing"),
    *("numpy._pytesttester", "numpy._configtool", "numpy.ma.testutils", "numpy.ma.mrecords", "numpy._utils"),
    *("scipy.io", "scipy.datasets", "scipy.misc", "scipy._lib", "scipy._build_utils", "scipy.weave", "scipy.odr"),
    *("scipy.optimize._nonlin", "scipy.special._precompute", "scipy._external", "scipy._cyutility"),
    *("sklearn.datasets", "sklearn.externals", "sklearn.utils._testing", "sklearn.utils.estimator_checks"),
    *("sklearn.utils._joblib", "sklearn.utils.parallel", "sklearn._build_utils", "sklearn.conftest", "sklearn.tests"),
    *("sklearn.callback", "sklearn.utils.discovery", "sklearn.utils._test_common", "sklearn.utils._repr_html"),
    *("pandas.core.computation", "pandas.core.tools", "pandas.core.util", "pandas._libs.parsers"),
    *("statsmodels.iolib", "statsmodels.datasets", "statsmodels.tools", "statsmodels.formula", "statsmodels.compat"),
    *("imblearn.utils", "imblearn.datasets"),
)
# Names that run or open something wherever they come from: a module holds what it imported itself, too.
_RUNS = frozenset(
    word
    for line in (
        "__import__ apply check_call check_output compile eval exec exec_command execfile getoutput getstatusoutput",
        "popen Popen run runcode runctx runfile runscript runstring spawn system attrgetter getattr methodcaller",
        "partial partialmethod setattr delattr import_module load loads load_pickle read_pickle to_pickle open",
        "open_code memmap fromfile tofile genfromtxt loadtxt savetxt save savez savez_compressed fromregex DataSource",
        "ctypeslib LowLevelCallable load_module urlopen urlretrieve get_file CDLL PyDLL FileIO SourceFileLoader",
        "TemporaryDirectory NamedTemporaryFile HDFStore ExcelFile ExcelWriter test rmtree unlink remove Parallel Memory",
        "pandas_eval query save_npz load_npz export_graphviz makedirs mkdir rename move copyfile copytree mkdtemp",
        "mkstemp symlink chmod call Thread Process Pool Client Listener reduce accumulate starmap map copy deepcopy",
        "wraps update_wrapper lru_cache cache contextmanager dataclass namedtuple ABCMeta reconstruct CFUNCTYPE",
        "PyCFuncPtr clone_module unpickle_function openfile dump dumps",
    )
    for word in line.split()
)
RUNS, OWN_CODE = "which can run or open anything", "holds code of its own"
_CODE = {"cloudpickle", "dill", "types", "marshal", "code", "codeop", "_codeop"}


@dataclass(frozen=True)
class ImportRules:
    """What the pickles of a model may import. allowed: by its owner, names in full, or packages. packages: by its requirements."""

    allowed: tuple[str, ...] = ()
    packages: tuple[Package, ...] = _PACKAGES

    @classmethod
    def for_model(cls, distributions: Iterable[str] | None, allowed: tuple[str, ...]) -> ImportRules:
        """Of a model that requires these distributions; None where nothing says what it requires."""
        if distributions is None:
            return cls(allowed)
        required = {re.sub(r"[-_.]+", "-", name).lower() for name in distributions}
        return cls(
            allowed, tuple(each for each in _PACKAGES if not each.distributions or required & {*each.distributions})
        )

    def objection(self, imported: Import) -> str | None:
        """Why a name may not be imported, None where it may."""
        full = str(imported)
        if full in self.allowed or full in _PLAIN:
            return None
        if not _PATH.fullmatch(full):
            return "imports what is no name"
        *path, last = imported.name.split(".")
        package = self._package(full)
        if package is not None and _FUNCTIONS.fullmatch(full):
            return None
        if full.partition(".")[0] in _CODE:
            return f"{OWN_CODE}: {full}"
        if any(not _CLASS.fullmatch(step) for step in path) or last in _RUNS or _within(full, _CLOSED):
            return f"imports {full}, {RUNS}"
        if (
            package is not None
            and last.startswith("_")
            and not _CLASS.fullmatch(last)
            and not _UNPICKLES.fullmatch(last)
        ):
            return f"imports {full}, a function that is {package.root}'s own"
        if path and not _CLASS.fullmatch(last):
            return f"imports {full}, a method, which is handed anything"
        is_listed = package is not None and (
            _CLASS.fullmatch(last) or _UNPICKLES.fullmatch(last) or _NUMBER.fullmatch(full)
        )
        if not is_listed and not _within(full, self.allowed):
            return f"imports {full}, which is not on the list of what a model may import"
        return None

    def call_objection(self, called: object, arguments: object = ()) -> tuple[str, Import | None] | None:
        """(why something may not be called with what a pickle holds, the import that is to blame); None where it may.

        What may not be imported is reported where it is imported.
        """
        if not isinstance(called, Import):
            return "calls what another call returned" if isinstance(
                called, Made
            ) else "calls what no import names", None
        full = str(called)
        if full in Importer.NAMES and full not in self.allowed:
            names = arguments if isinstance(arguments, tuple) else ()
            if len(names) != 2 or not all(isinstance(name, str) for name in names):
                return f"calls {full} for a name that cannot be told", None
            imported = Import(*names)
            sentence = self.objection(imported)
            return None if sentence is None else (sentence, imported)
        if called.module == "copyreg" and full not in self.allowed:
            return self._copyreg_objection(called, arguments)
        if full == "types.SimpleNamespace" and arguments != ():
            return f"calls {full} with attributes", None
        for each in arguments if isinstance(arguments, tuple) else ():
            if isinstance(each, Import) and not self.makes_data(each) and self.objection(each) is None:
                return f"hands {each} to {full}, which may call it", each
        if self.makes_data(called, called_at_all=True) or self.objection(called) is not None:
            return None
        return f"calls {full}, which is not on the list of what a model may call", called

    def _copyreg_objection(self, called: Import, arguments: object) -> tuple[str, Import | None] | None:
        """Of what fills an object of a class; `_reconstructor` of cls, base, state calls base where that is no plain object."""
        cls, base, *_ = (*arguments, None, None) if isinstance(arguments, tuple) else (None, None)
        if not isinstance(cls, Import) or str(cls) == JOBLIB_ARRAY:
            return f"calls {called} for a class that cannot be told", None
        if called.name != "_reconstructor" or str(base) == "builtins.object":
            return None
        if not isinstance(base, Import):
            return f"calls {called} for a class that cannot be told", None
        return self.call_objection(base)

    def makes_data(self, imported: Import, *, called_at_all: bool = False) -> bool:
        """Whether calling an import makes an object of what it is handed, and nothing else: a class, or a known function.

        called_at_all: with anything, and so only classes that are known to be.
        """
        full, last = str(imported), imported.name.rpartition(".")[2]
        if full in _PLAIN or _NUMBER.fullmatch(full) or _within(full, self.allowed):
            return True
        package = self._package(full)
        if _UNPICKLES.fullmatch(last):
            return True
        return (
            package is not None
            and (not called_at_all or _within(full, package.constructs))
            and bool(_CLASS.fullmatch(last))
        )

    def allowable(self, imported: Import) -> str | None:
        """What an owner would write to let an import pass; None of what runs programs, which nobody is advised to."""
        runs = imported.name.rpartition(".")[2] in _RUNS or imported.module.partition(".")[0] in _CODE
        return None if runs or not _PATH.fullmatch(str(imported)) else str(imported)

    def is_harmless(self, method: str) -> bool:
        """Whether a method of an object that a model may hold runs and opens nothing, by its name."""
        return method not in _RUNS

    def _package(self, full: str) -> Package | None:
        return next((each for each in self.packages if _within(full, each.below or (each.root,))), None)


def _within(full: str, names: Iterable[str]) -> bool:
    return any(full == name or full.startswith(f"{name}.") for name in names)
