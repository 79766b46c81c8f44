"""What the core needs of the world: Protocols and the values they exchange, nothing else.

Every method that goes outside keeps its own deadline and raises only errors of `shared.core.errors`.
"""

from shared.ports.outbox import Outbox as Outbox
from shared.ports.outbox import Webhook as Webhook
from shared.ports.provider import Provider as Provider
from shared.ports.provider import TextHeard as TextHeard
from shared.ports.records import Accepted as Accepted
from shared.ports.records import Busy as Busy
from shared.ports.records import Deletion as Deletion
from shared.ports.records import Ended as Ended
from shared.ports.records import Expiry as Expiry
from shared.ports.records import HeadRun as HeadRun
from shared.ports.records import ImagePiece as ImagePiece
from shared.ports.records import Lease as Lease
from shared.ports.records import LeftRun as LeftRun
from shared.ports.records import Lessee as Lessee
from shared.ports.records import Orphan as Orphan
from shared.ports.records import Peek as Peek
from shared.ports.records import QueueLimits as QueueLimits
from shared.ports.records import RemoteObject as RemoteObject
from shared.ports.records import Scratch as Scratch
from shared.ports.records import Stopping as Stopping
from shared.ports.records import Submission as Submission
from shared.ports.records import ToolTicket as ToolTicket
from shared.ports.records import TurnUpdate as TurnUpdate
from shared.ports.store import SCHEMA_VERSION as SCHEMA_VERSION
from shared.ports.store import Store as Store
from shared.ports.time import Clock as Clock
from shared.ports.time import Wakeups as Wakeups
from shared.ports.turn_statistics import OpenTurns as OpenTurns
