"""Two tenants whose every row is marked ask the same in turn, and one of them names the other wherever a text goes."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import asyncpg
import httpx

from app.api.dependencies.requirements import Requirement
from app.core.roles import Role
from tests.factories import SignedIn
from tests.routes.access import access_of
from tests.routes.content import UNIQUE, Foreign, is_json, own_of
from tests.routes.marks import FEW, MANY, MarkedRows, new_mark
from tests.routes.operations import Operation, Place
from tests.routes.requests import ROUTES, Call, Uncallable, World

WORDS: Final = ("tenant", "tenant_slug", "slug", "organization", "org", "workspace", "account")
"""How a request may name a tenant where no document says so."""

type Numbers = dict[str, tuple[int, int, int]]
"""How many rows the first tenant has of each table, the second one, and all."""

_MINE, _THEIRS, _ALL = range(3)


@dataclass(frozen=True, slots=True)
class Turn:
    """A request, and its answer."""

    side: int
    """`_MINE` or `_THEIRS`."""
    who: str
    call: Call
    answer: httpx.Response


@dataclass(frozen=True, slots=True)
class TwoTenants:
    """People of acme, who are told nothing of globex, and the other way round."""

    worlds: tuple[World, World]
    rows: tuple[MarkedRows, MarkedRows]
    foreign: tuple[Foreign, Foreign]
    """What each of them is not told."""
    secret: Foreign
    """What nobody is told."""
    _both: dict[tuple[str, str, Role], tuple[SignedIn, SignedIn]] = field(default_factory=dict)

    @classmethod
    async def of(cls, world: World, connection: asyncpg.Connection) -> "TwoTenants":
        """Fill the tables of both."""
        factory, secret = world.factory, new_mark()
        owner = await factory.member("globex", Role.OWNER)
        worlds = (
            replace(world, mark=new_mark()),
            replace(world, mark=new_mark(), owner=owner, user=await factory.signed_in()),
        )
        rows: list[MarkedRows] = []
        for each, count in zip(worlds, (FEW, MANY), strict=True):
            found = await factory.find_tenant(str(each.owner.tenant))
            rows.append(MarkedRows(connection, found.id, found.schema_name, each.mark, secret))
            await rows[-1].add(count)
            await rows[-1].sign(each.owner.user_id, each.user.user_id)
        [mine, others], [world, theirs] = rows, worlds
        return cls(
            worlds,
            (mine, others),
            (_foreign(secret, others, theirs), _foreign(secret, mine, world)),
            Foreign.of(secret),
        )

    @property
    def mine(self) -> World:
        """People of acme."""
        return self.worlds[_MINE]

    @property
    def theirs(self) -> World:
        """People of globex."""
        return self.worlds[_THEIRS]

    async def faults_in_turns(self, name: str) -> list[str]:
        """Ask as both in turn; return what either was told of the other, or both of what is nobody's."""
        await self.rows[_THEIRS].rename()
        before = await self._numbers()
        turns = [turn async for turn in self._turns(name)]
        after = await self._numbers()
        counted = [_counted(side, before, after) for side in (_MINE, _THEIRS)]
        tokens = self.mine.components.access_tokens
        own = [
            {text for turn in turns if turn.side == side for text in own_of(turn.call, tokens)}
            for side in (_MINE, _THEIRS)
        ]
        faults = []
        for turn in turns:
            also = own[1 - turn.side] - own[turn.side]
            told = self.foreign[turn.side].told(
                turn.call, turn.answer, also=also, numbers=counted[turn.side]
            )
            faults += [f"{turn.who} was told {told}"] if told else []
        return faults

    async def _turns(self, name: str) -> AsyncIterator[Turn]:
        access = access_of(name)
        # What a public GET is sent may be good for once.
        is_read = ROUTES[name].methods == {"GET"} and access is not None
        kept: dict[int, Call] = {}
        # The one with more rows asks first: what is remembered of its answer is there when the other one asks.
        for side in (_THEIRS, _MINE) * (2 if is_read else 1):
            if side not in kept:
                kept[side] = await self.worlds[side].prepare(name)
            answer = await kept[side].send()
            assert not answer.is_error, f"{name}: {answer.text}"
            yield Turn(side, f"the owner of {kept[side].tenant}", kept[side], answer)
        if access is not None and access.tenant:
            calls = list(kept.values()) if is_read else await self._prepared(name)
            both = dict(zip((_THEIRS, _MINE), await self._in_both(calls), strict=True))
            for side in (_THEIRS, _MINE) * (2 if is_read else 1):
                who = f"somebody who is in both, in {both[side].tenant}"
                yield Turn(side, who, both[side], await both[side].send())

    async def _prepared(self, name: str) -> list[Call]:
        return [await self.worlds[side].prepare(name) for side in (_THEIRS, _MINE)]

    async def _in_both(self, calls: Sequence[Call], role: Role = Role.OWNER) -> list[Call]:
        first, second = (str(call.tenant) for call in calls)
        if (first, second, role) not in self._both:
            factory = self.mine.factory
            person = await factory.user()
            for slug, as_what in {first: Role.OWNER, second: role}.items():
                await factory.join(person, slug, as_what)
            self._both[first, second, role] = (
                await factory.sign_in(person, first, Role.OWNER),
                await factory.sign_in(person, second, role),
            )
        return [
            call.by(caller)
            for call, caller in zip(calls, self._both[first, second, role], strict=True)
        ]

    async def faults_of_roles(self, name: str, access: Requirement) -> list[str]:
        """Ask as an owner of globex, who may not ask as a member of acme."""
        if not access.tenant or access.at_least is Role.MEMBER:
            return []
        first, second = await self._in_both(await self._prepared(name), Role.MEMBER)
        await first.send()
        answer = await second.send()
        if answer.status_code == 403:
            return []
        return [f"an owner of another tenant, here a member, was answered with {answer.text}"]

    async def keys(self, name: str) -> Mapping[str, str]:
        """Return keys of globex's rows that are no UUIDs, so that acme may have rows with the same; to be asked for as acme."""
        if not ROUTES[name].param_convertors:
            return {}
        call = await self.theirs.prepare(name)
        if ROUTES[name].methods == {"GET"}:
            # So that it is remembered, if anything is.
            await call.send()
        path = call.path
        return {part: key for part, key in path.items() if not UNIQUE.search(key)}

    async def faults_of_names(self, name: str, keys: Mapping[str, str]) -> list[str]:
        """Ask as the owner of acme, and name globex in each place of a text; return what was told of it."""
        operation, call = Operation(self.mine.app, name), await self.mine.prepare(name)
        is_for_once = any(place.secret for place in operation.texts())
        faults = []
        for place, text in [*self._said(operation), (None, "")]:
            naming = place.saying(call, text) if place else self._unasked(call, keys)
            answer = await naming.send()
            if told := self.foreign[_MINE].told(naming, answer):
                said = f"with {text!r} in {place}" if place else "with words that no document has"
                faults.append(f"{said} was told {told}")
            if answer.is_success and ROUTES[name].methods != {"GET"}:
                self.foreign[_MINE].kept.add(text)
                call = call if is_for_once or not place else await self.mine.prepare(name)
        return faults

    def _said(self, operation: Operation) -> Iterator[tuple[Place, str]]:
        parameters, fields = dict(operation.parameters()), operation.fields()
        for place, schema in parameters.items():
            if "enum" in schema:
                yield from ((place, str(value)) for value in schema["enum"])
            elif schema.get("type") == "boolean":
                yield from ((place, value) for value in ("true", "false"))
        for place in dict.fromkeys([*parameters, *operation.texts()]):
            schema = parameters.get(place) or fields.get(place.name, {})
            if not place.secret and schema.get("type") in {"string", "object"}:
                yield from ((place, text) for text in self._texts(place) if _fits(text, schema))

    def _texts(self, place: Place) -> Sequence[str]:
        rows = self.rows[_THEIRS]
        stored = sorted(rows.texts_of(place.name)) if place.part == "query" else []
        if "email" in place.name:
            return [rows.email, *stored]
        slug = str(self.theirs.owner.tenant)
        return [slug, rows.name, str(rows.tenant_id), rows.email, *stored]

    def _unasked(self, call: Call, keys: Mapping[str, str]) -> Call:
        rows, slug = self.rows[_THEIRS], str(self.theirs.owner.tenant)
        words = {**dict.fromkeys(WORDS, slug), "tenant_id": str(rows.tenant_id)}
        headers = {f"X-{word.replace('_', '-').title()}": slug for word in WORDS}
        return replace(
            call,
            path={**call.path, **keys},
            query={**words, **call.query},
            headers={**headers, **call.headers},
        )

    async def moved(self, names: Sequence[str]) -> dict[str, str]:
        """Return what of acme's answers changes when globex gets rows, by route: an ETag, a date, a sum of all."""
        calls: dict[str, Call] = {}
        for name in names:
            # Its own test says what it needs.
            with suppress(httpx.HTTPError, Uncallable):
                calls[name] = await self.mine.prepare(name)
        first = {name: _parts(await call.send()) for name, call in calls.items()}
        second = {name: _parts(await call.send()) for name, call in calls.items()}
        await self.rows[_THEIRS].add(1)
        found = {}
        for name, call in calls.items():
            third = _parts(await call.send())
            steady = first[name].items() & second[name].items()
            found[name] = "; ".join(sorted(f"{k}: {v}" for k, v in steady - third.items()))
        return {name: what for name, what in found.items() if what}

    async def _numbers(self) -> Numbers:
        mine, theirs = self.rows
        own = "count(*) FILTER (WHERE tenant_id = ${n})"
        counts = [
            f"SELECT '{each.name}', {own.format(n=1)}, {own.format(n=2)}, count(*) FROM public.{each.name}"  # noqa: S608  names of this code base
            if "tenant_id" in each.columns
            else f"SELECT '{each.name}', 0, 0, count(*) FROM public.{each.name}"  # noqa: S608  the same
            if schema == "public"
            else f"SELECT '{each.name}', (SELECT count(*) FROM {mine.schema}.{each.name}),"  # noqa: S608  the same
            f" (SELECT count(*) FROM {theirs.schema}.{each.name}), 0"
            for schema, each in mine.tables()
        ]
        found = await mine.connection.fetch(
            " UNION ALL ".join(counts), mine.tenant_id, theirs.tenant_id
        )
        return {name: (few, many, all) for name, few, many, all in found}


def _counted(side: int, before: Numbers, after: Numbers) -> set[int]:
    """Return the numbers of rows that a side must not be told: the other side's, and all."""

    def between(which: int) -> set[int]:
        return {
            number
            for name, counts in before.items()
            for number in range(counts[which], after[name][which] + 1)
            if number >= FEW
        }

    return (between(1 - side) | between(_ALL)) - between(side)


def _fits(text: str, schema: Mapping[str, Any]) -> bool:
    # The attacks have tried the ids.
    is_free = schema.get("format", "email") == "email" and "enum" not in schema
    return is_free and re.search(schema.get("pattern", ""), text) is not None


def _foreign(secret: str, rows: MarkedRows, world: World) -> Foreign:
    people = (world.owner, world.user)
    known = {text for p in people for text in (str(p.user_id), str(p.session_id), p.email)}
    return Foreign.of(secret, [rows.mark], {*known, str(rows.tenant_id), rows.schema})


def _parts(answer: httpx.Response) -> dict[str, str]:
    # Of JSON each value by its place, so that one that is never twice the same hides no other.
    parts = {"status": str(answer.status_code), **answer.headers}
    if is_json(answer):
        return parts | dict(_leaves("", answer.json()))
    return parts | {f"line {n}": line for n, line in enumerate(answer.text.splitlines())}


def _leaves(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(f"{place}/{name}", each)
    elif isinstance(value, list):
        for n, each in enumerate(value):
            yield from _leaves(f"{place}/{n}", each)
    else:
        yield place, str(value)
