"""The world of seed 0 and its prompts, built once: both are immutable."""

import pytest

from training.world.islands import World, build_world
from training.world.suites import Prompts, divide_prompts


@pytest.fixture(scope="session")
def world() -> World:
    return build_world(0)


@pytest.fixture(scope="session")
def prompts(world: World) -> Prompts:
    return divide_prompts(world)
