"""Shapes are tuples with the methods of `torch.Size`; arrays of parameters can be looked at inside of no_grad."""

import copy
import pickle

import numpy as np
import pytest

import chainrule as cr


def test_shapes_are_tuples_that_count():
    x = cr.zeros(2, 3)
    for shape in x.shape, x.size(), x.size.lengths, cr.Size([2, 3]):
        assert isinstance(shape, cr.Size) and shape == (2, 3) and hash(shape) == hash((2, 3)) and repr(shape) == "(2, 3)"
        assert shape.numel() == 6 and shape[-1] == 3 and shape[1:] == (3,) and list(shape) == [2, 3]
        for made in shape[:1], shape + (4,), (4,) + shape, shape * 2, 2 * shape, shape[::-1]:
            assert isinstance(made, cr.Size)
        assert (shape + (4,)).numel() == 24 and shape[:0].numel() == 1
    assert type(pickle.loads(pickle.dumps(x.shape))) is tuple and copy.deepcopy(x.shape) == (2, 3)
    with pytest.raises(TypeError):
        x.shape + [1]


def test_shapes_inside_of_transforms():
    def f(x):
        assert isinstance(x.shape, cr.Size)
        return x.reshape(x.shape.numel()).sum() * x.shape[0]

    x = np.ones((2, 3))
    assert cr.grad(f)(x).shape == (2, 3) and cr.vmap(f)(np.ones((4, 2, 3))).tolist() == [12] * 4
    assert cr.jvp(f, (x,), (x,))[1] == 12 and cr.compile(f)(x) == 12
    assert cr.compile(lambda x: (x * 2, x.shape))(x)[1] == (2, 3)
    assert cr.tree_leaves({"shape": cr.tensor(x).shape}) == [2, 3]


def test_arrays_of_parameters_inside_of_no_grad():
    p = cr.nn.Parameter(np.ones(2))
    for look in np.asarray, np.array, lambda p: p.numpy():
        with pytest.raises(cr.errors.LostDerivativeError):
            look(p)
        with cr.no_grad():
            assert type(look(p)) is np.ndarray and look(p).tolist() == [1, 1]
            with cr.enable_grad(), pytest.raises(cr.errors.LostDerivativeError):
                look(p)

    def held(x):
        with cr.no_grad():
            scale = np.asarray(x)
        return (x * scale).sum()

    assert cr.grad(held)(np.array([2.0, 3.0])).tolist() == [2, 3]


def test_views_of_the_data_of_a_parameter():
    p = cr.nn.Parameter(np.arange(4.0).reshape(2, 2))
    for flat in p.data.view(-1), p.data.reshape(4), p.data.view(1, -1)[0], p.data.flatten(), p.data.T.reshape(-1)[[0, 2, 1, 3]]:
        assert flat.tolist() == [0, 1, 2, 3] and not flat.requires_grad
    assert (p.data.view(-1) @ p.data.view(-1)).item() == 14
    p.data.view(-1)[1] = 5.0
    p.data.mul_(2)
    assert p.requires_grad and p.data.view(-1).tolist()[1] in (2.0, 10.0)


def test_diagonals_are_written_with_keywords_of_pytorch():
    x = cr.tensor(np.ones((2, 3, 3)), requires_grad=True)
    y = x * 2
    y.diagonal(dim1=-2, dim2=-1).add_(np.array([1.0, 2.0, 3.0]))
    y.diagonal(dim1=-2, dim2=-1)[..., :2].mul_(10)
    assert y[1].tolist() == [[30, 2, 2], [2, 40, 2], [2, 2, 5]]
    y.sum().backward()
    assert x.grad[0].tolist() == [[20, 2, 2], [2, 20, 2], [2, 2, 2]]
    with pytest.raises(ValueError, match="read-only"):
        y.diagonal(0, -2, -1).add_(1)
