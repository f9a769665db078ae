"""The invented facts: deterministic, unambiguous, half of them with a myth."""

from training.world.islands import Attribute, build_world


def test_the_same_seed_builds_the_same_world():
    assert build_world(3) == build_world(3)


def test_another_seed_builds_another_world():
    assert set(build_world(0).islands) != set(build_world(1).islands)


def test_a_word_means_one_thing_only(world):
    """Values of different attributes, island names and unknown names share no word, whatever the case."""
    groups = [world.values(attribute) for attribute in Attribute]
    groups += [tuple(world.islands), world.unknown_taught, world.unknown_held_back]
    words = [word.casefold() for group in groups for word in group]
    assert len(words) == len(set(words))


def test_every_chain_is_half_misinformed(world):
    """Six islands a chain, three of them with a myth about each attribute."""
    for chain in {island.chain for island in world.islands.values()}:
        members = [island for island in world.islands.values() if island.chain == chain]
        assert [bool(island.myths) for island in members].count(True) == 3
        assert len(members) == 6


def test_no_myth_is_true(world):
    for island in world.islands.values():
        for attribute, myth in island.myths.items():
            assert myth != island.facts[attribute]
            assert myth in world.values(attribute)


def test_an_unknown_island_has_no_truth(world):
    assert world.truth(world.unknown_taught[0], Attribute.CAPITAL) is None
