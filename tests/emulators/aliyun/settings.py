"""The switches of the service's behaviour, where reality varies or a test wants to make it vary."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields


@dataclass
class Settings:
    """Durations are seconds. The names are those of the admin face.

    createSeconds        a new listener is `configuring` so long before it is `stopped`
    startSeconds         `starting` before `running`
    stopSeconds          `stopping` before `stopped`
    setSeconds           a listener's change keeps its instance busy so long
    setShowsConfiguring  the listener is `configuring` during that time
    extensionSeconds     a domain extension is being processed so long after a change
    backendSeconds       a change of backend servers keeps the instance busy so long
    switchSeconds        a new certificate reaches the data plane so late (really up to 180)
    referenceSeconds     a certificate counts as in use so long after its last user has let go
    serialize            a change to an instance that is busy with another is refused
    strictSet            Set also resets StickySession, HealthCheck and timeouts that it is not given
    acceptPkcs8          keys in PKCS#8 are taken
    acceptEc             EC pairs are taken
    acs3IgnoresBody      parameters in a form body are not seen when the request is signed with ACS3
    listenerNotFoundCode how a missing listener is told: InvalidParameter or ListenerNotFound
    sharedTypeSold       an instance can be created without LoadBalancerSpec
    """

    createSeconds: float = 0.02
    startSeconds: float = 0.03
    stopSeconds: float = 0.02
    setSeconds: float = 0.02
    setShowsConfiguring: bool = False
    extensionSeconds: float = 0.02
    backendSeconds: float = 0.0
    switchSeconds: float = 0.0
    referenceSeconds: float = 0.0
    serialize: bool = True
    strictSet: bool = False
    acceptPkcs8: bool = False
    acceptEc: bool = False
    acs3IgnoresBody: bool = False
    listenerNotFoundCode: str = "InvalidParameter"
    sharedTypeSold: bool = True
    certificateQuota: int = 100
    extensionQuota: int = 3
    listenerQuota: int = 50

    def change(self, values: dict[str, object]) -> None:
        """Sets all of `values` or none; raises ValueError for an unknown name or a wrong type."""
        kinds = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        checked: dict[str, object] = {}
        for name, value in values.items():
            if name not in kinds:
                raise ValueError(f"unknown setting {name!r}; known are {', '.join(kinds)}")
            if kinds[name] is float and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            if type(value) is not kinds[name]:
                raise ValueError(f"setting {name!r} is a {kinds[name].__name__}")
            if isinstance(value, float) and not 0 <= value <= 3600:
                raise ValueError(f"setting {name!r} is a duration from 0 to 3600 seconds")
            checked[name] = value
        for name, value in checked.items():
            setattr(self, name, value)

    def view(self) -> dict[str, object]:
        return asdict(self)
