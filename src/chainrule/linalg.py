"""Linear algebra in NumPy's and SciPy's names; also `chainrule.numpy.linalg` and what np.linalg does with a Tensor."""

from numpy import linalg as _numpy_linalg
from numpy.linalg import LinAlgError as LinAlgError

from . import numpy_views as _views
from .iterative import bicgstab as bicgstab, cg as cg, gmres as gmres
from .numpy_errors import reword_all as _reword_all
from .ops.linalg.banded import (
    cho_solve_banded as cho_solve_banded,
    cholesky_banded as cholesky_banded,
    solve_banded as solve_banded,
    solveh_banded as solveh_banded,
)
from .ops.linalg.checked import cholesky_ex as cholesky_ex, inv_ex as inv_ex
from .ops.linalg.compositions import (
    diagsvd as diagsvd,
    eig_banded as eig_banded,
    eigh_tridiagonal as eigh_tridiagonal,
    eigvals_banded as eigvals_banded,
    eigvalsh_tridiagonal as eigvalsh_tridiagonal,
    ishermitian as ishermitian,
    issymmetric as issymmetric,
    pinvh as pinvh,
    rq as rq,
    rsf2csf as rsf2csf,
)
from .ops.linalg.eigenvectors import eig as eig, eigvals as eigvals
from .ops.linalg.equations import (
    solve_continuous_are as solve_continuous_are,
    solve_continuous_lyapunov as solve_continuous_lyapunov,
    solve_discrete_are as solve_discrete_are,
    solve_discrete_lyapunov as solve_discrete_lyapunov,
    solve_lyapunov as solve_lyapunov,
    solve_sylvester as solve_sylvester,
)
from .ops.linalg.factorizations import cho_factor as cho_factor, cholesky as cholesky, qr as qr
from .ops.linalg.indefinite import ldl as ldl, matrix_balance as matrix_balance
from .ops.linalg.least_squares import lstsq as lstsq, pinv as pinv
from .ops.linalg.lu import lu as lu, lu_factor as lu_factor, lu_solve as lu_solve
from .ops.linalg.matrix_functions import (
    coshm as coshm,
    cosm as cosm,
    expm as expm,
    expm_frechet as expm_frechet,
    fractional_matrix_power as fractional_matrix_power,
    funm as funm,
    logm as logm,
    signm as signm,
    sinhm as sinhm,
    sinm as sinm,
    sqrtm as sqrtm,
    tanhm as tanhm,
    tanm as tanm,
)
from .ops.linalg.norms import (
    cond as cond,
    matrix_norm as matrix_norm,
    matrix_rank as matrix_rank,
    norm as norm,
    vector_norm as vector_norm,
)
from .ops.linalg.products import (
    cross as cross,
    matmul as matmul,
    outer as outer,
    tensordot as tensordot,
    trace as trace,
    vecdot as vecdot,
)
from .ops.linalg.schur import hessenberg as hessenberg, schur as schur
from .ops.linalg.sparse import sparse_product as sparse_product
from .ops.linalg.spectral import (
    eigh as eigh,
    eigvalsh as eigvalsh,
    svd as svd,
    svdvals as svdvals,
)
from .ops.linalg.structured import (
    block_diag as block_diag,
    circulant as circulant,
    companion as companion,
    convolution_matrix as convolution_matrix,
    fiedler as fiedler,
    fiedler_companion as fiedler_companion,
    hankel as hankel,
    hilbert as hilbert,
    khatri_rao as khatri_rao,
    leslie as leslie,
    toeplitz as toeplitz,
)
from .ops.linalg.subspaces import (
    null_space as null_space,
    orth as orth,
    orthogonal_procrustes as orthogonal_procrustes,
    polar as polar,
    subspace_angles as subspace_angles,
)
from .ops.linalg.systems import (
    det as det,
    inv as inv,
    matrix_power as matrix_power,
    multi_dot as multi_dot,
    slogdet as slogdet,
    solve as solve,
    tensorinv as tensorinv,
    tensorsolve as tensorsolve,
)
from .ops.linalg.toeplitz import (
    matmul_toeplitz as matmul_toeplitz,
    solve_circulant as solve_circulant,
    solve_toeplitz as solve_toeplitz,
)
from .ops.linalg.triangular import (
    cho_solve as cho_solve,
    solve_triangular as solve_triangular,
    triangular_solve as triangular_solve,
)

diagonal, matrix_transpose = _views.matrix_diagonal, _views.matrix_transpose
matrix_exp = expm  # PyTorch's name
_reword_all(globals(), _numpy_linalg)

__all__ = [
    name for name, thing in list(globals().items()) if callable(thing) and name[0] != "_" and name != "LinAlgError"
]  # the functions above, no modules
