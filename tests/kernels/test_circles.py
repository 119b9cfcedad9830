"""Circles and cylinders through points, against circles that are known."""

import numpy as np
import pytest

from voxelrock.kernels import circles


def ring(n=200, center=(30.0, 40.0), radius=25.0, span=2 * np.pi):
    angle = np.linspace(0, span, n, endpoint=False)
    return np.stack([center[0] + radius * np.sin(angle), center[1] + radius * np.cos(angle)], axis=1)


def pitted(points, center, share, seed=0):
    """Points on a circle, a share of them moved inwards, as pores at the surface do."""
    rng = np.random.default_rng(seed)
    inward = np.where(rng.random(len(points)) < share, rng.uniform(2, 20, len(points)), 0.0)
    away = points - center
    return points - away / np.linalg.norm(away, axis=1, keepdims=True) * inward[:, None] + rng.normal(0, 0.3, points.shape)


def test_three_points_make_a_circle_and_a_line_none():
    a, b, c = (ring()[[i]] for i in (3, 70, 150))
    np.testing.assert_allclose(circles.circles_through(a, b, c), [[30, 40, 25]], rtol=1e-9)
    assert np.isnan(circles.circles_through(a, a + 1, a + 2)).all()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
@pytest.mark.parametrize("span", [2 * np.pi, np.pi])
def test_the_consensus_heeds_the_circle_and_not_the_pores(share, span):
    points = pitted(ring(span=span), (30.0, 40.0), share)
    a, b, radius = circles.consensus_circle(points, tolerance=1.5, largest=200)
    assert np.hypot(a - 30, b - 40) < 0.6
    assert radius == pytest.approx(25, abs=0.5)
    if share:  # the mean would be far off
        assert np.hypot(*(points - (30, 40)).T).mean() < 24


def test_a_line_and_too_few_points_are_no_circle():
    line = np.stack([np.arange(50.0), np.arange(50.0)], axis=1)
    assert circles.consensus_circle(line, tolerance=1.0, largest=100) is None
    assert circles.consensus_circle(ring()[:5], tolerance=1.0, largest=100) is None


def on_cylinder(axis, center, radius, n=64):
    u = np.array(axis) / np.linalg.norm(axis)
    v = np.cross(u, (0, 0, 1.0))
    v /= np.linalg.norm(v)
    w = np.cross(u, v)
    s, angle = (part.ravel() for part in np.meshgrid(np.linspace(-60, 60, 9), np.linspace(0, 2 * np.pi, n, endpoint=False)))
    return np.array(center) + s[:, None] * u + radius * (np.cos(angle)[:, None] * v + np.sin(angle)[:, None] * w)


@pytest.mark.parametrize("tilt", [(0.0, 0.0), (0.035, -0.02), (0.2, 0.1)])
def test_a_tilted_cylinder_is_found(tilt):
    points = on_cylinder((1.0, *tilt), (0, 50.0, 60.0), 30.0)
    np.testing.assert_allclose(circles.off_cylinder(points, np.array([50, 60, *tilt, 30.0])), 0, atol=1e-9)
    points[::5] += (points[::5] - (0, 50, 60)) * (0, -0.3, -0.3)
    found = circles.fitted_cylinder(points, np.array([51.0, 59.0, 0.0, 0.0, 29.0]), tolerance=3.0)
    np.testing.assert_allclose(found[[0, 1, 4]], [50, 60, 30], atol=0.15)
    np.testing.assert_allclose(found[2:4], tilt, atol=3e-3)


def test_points_of_one_slice_leave_the_axis_upright():
    points = np.column_stack([np.full(200, 7.0), ring()])
    np.testing.assert_allclose(circles.fitted_cylinder(points, np.array([29.0, 41, 0, 0, 24]), tolerance=2.0), [30, 40, 0, 0, 25], atol=1e-3)


def test_the_largest_circle_inside_half_a_disc():
    angle = 2 * np.pi * np.arange(720) / 720
    below = np.minimum(40.0, np.where(np.sin(angle) < 0, 1e-6 - 0 / np.minimum(np.sin(angle), -1e-9), 40.0))
    a, b, radius = circles.inscribed_circle((0.0, 0.0), below)
    assert (a, abs(b), radius) == pytest.approx((20, 0, 20), abs=0.5)


def test_the_largest_circle_inside_a_whole_one_is_itself():
    a, b, radius = circles.inscribed_circle((5.0, 6.0), np.full(256, 30.0))
    assert (a, b, radius) == pytest.approx((5, 6, 30), abs=0.05)
