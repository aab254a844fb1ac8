"""An exception for each code that the service refuses with, named after it: `too_large` raises `TooLarge`.

What a code means and what to do about it is in the problem's `detail`.
"""

from __future__ import annotations

from rollcall.errors import Conflict, FileRefused, Gone, NotAllowed, NotFound, NotNow, Refused


class InvalidRequest(Refused):
    """A parameter, header or body is not as described."""


class InvalidCursor(Refused):
    """The cursor belongs to another list or other filters."""


class PageTooDeep(Refused):
    """The page is too far into a search: follow nextCursor instead."""


class SearchTermTooVague(Refused):
    """The search term has no letter or digit to look for."""


class MalformedForm(Refused):
    """The multipart body is broken or ends too early."""


class MissingFile(Refused):
    """The form has no file in the field employee_data."""


class SeveralFiles(Refused):
    """The form has more than one file."""


class UnsupportedMediaType(Refused):
    """The body is not multipart/form-data."""


class TooLarge(Refused):
    """The body is larger than this service takes."""


class BodyTimeout(Refused):
    """The body came too slowly."""


class IdempotencyKeyReused(Refused):
    """The key came before with other content or options."""


class ForeignPage(NotAllowed):
    """The request comes from a page of another site."""


class SignInRefused(NotAllowed):
    """The provider's word lets nobody in."""


class ProviderUnavailable(NotNow):
    """The provider where people sign in cannot be used just now."""


class AuthenticationOff(Conflict):
    """The service asks nobody for a key, so it makes none."""


class UnknownKey(NotFound):
    """No key has this id."""


class KeyNeeded(NotAllowed):
    """The request has no API key."""


class KeyNotValid(NotAllowed):
    """The API key is unknown, revoked, or past its time."""


class SessionOver(NotAllowed):
    """The session is over: sign in again."""


class ScopeMissing(NotAllowed):
    """The API key may not do this."""


class OthersUpload(NotAllowed):
    """The upload came by another key."""


class NotOnLoopback(NotAllowed):
    """Authentication is off, so only this machine itself is answered."""


class UnknownHost(Refused):
    """The service was asked for by a name that is none of its own."""


class JsonNeeded(Refused):
    """The body does not say that it is JSON."""


class TooManyAtOnce(NotNow):
    """The key has too much in hand at once."""


class TooMuchStored(NotNow):
    """The key's name has as much stored as it may have."""


class KeysUnknown(NotNow):
    """Which API keys are good cannot be known just now."""


class UnknownUpload(NotFound):
    """No upload has this id."""


class UnknownReject(NotFound):
    """This row of the upload is no reject, or no more."""


class UnknownCorrection(NotFound):
    """No correction has this id."""


class UnknownEmployee(NotFound):
    """No employee has this id."""


class UnknownJob(NotFound):
    """No job has this id."""


class UnknownSubscription(NotFound):
    """The queue has no subscription."""


class UnknownMessage(NotFound):
    """The queue has no message with this id, or no more."""


class TooManySubscriptions(Conflict):
    """As many queues as may be have a subscription already."""


class MessageLeased(Conflict):
    """Somebody has the message under a lease."""


class QueueNotEmpty(Conflict):
    """There are messages in the queue."""


class UnknownErasure(NotFound):
    """No erasure has this id."""


class UnknownQueue(NotFound):
    """No queue has this name yet."""


class MethodNotAllowed(Refused):
    """This address does not take this method."""


class AlreadyFinished(Conflict):
    """It is finished and cannot be cancelled."""


class NotADraft(Conflict):
    """The upload was started, cancelled or is over: it cannot be changed, previewed or started."""


class NotPreviewed(Conflict):
    """There is no preview that it could be held against."""


class PreviewDrifted(Conflict):
    """It would do something else by now than its preview said."""


class DraftHasProblem(Conflict):
    """The draft's `problem` has to be mended by options before it can start."""


class RevisionChanged(Conflict):
    """The upload has another revision than `If-Match` says."""


class RevisionNeeded(Conflict):
    """The header `If-Match` with the upload's `revision` is missing."""


class NotFinished(Conflict):
    """The upload is not finished: cancel it first, or wait."""


class AlreadyUndone(Conflict):
    """The upload was undone already."""


class UndoExpired(Conflict):
    """What the upload replaced is not kept any more, so it cannot be undone."""


class ConfirmationNeeded(Conflict):
    """This takes away more than it seems: say that you mean it."""


class DeadLettersBusy(Conflict):
    """Another redrive or deletion is at work."""


class RowChanged(Conflict):
    """Somebody else was faster: the row is not what it was."""


class LetterDeleted(Conflict):
    """The row's dead letter was deleted, so it is settled."""


class InvalidCorrections(Refused):
    """The file has rows that correct nothing; nothing was done."""


class StillRejected(Refused):
    """With these cells the row would be rejected again."""


class LeaseLost(Conflict):
    """The lease ran out or was given up; the message may be another's by now."""


class ResultsUnknown(Conflict):
    """The file was never read, or an older release noted no row's outcome."""


class RejectsGone(Gone):
    """The rejected rows were deleted when their time was over."""


class FileGone(Gone):
    """The stored file was deleted when its time was over."""


class ErasureKeyMissing(Conflict):
    """Nobody can be erased without `ROLLCALL_ERASURE_KEY`."""


class ErasureKeyWrong(Conflict):
    """People were erased with another `ROLLCALL_ERASURE_KEY`."""


class ConversionBusy(NotNow):
    """Too many workbooks are being read at once."""


class HeadersTooLarge(Refused):
    """The headers are larger than this service takes."""


class HeadersTimeout(Refused):
    """The headers came too slowly."""


class InternalError(NotNow):
    """The service failed; its log says where."""


class ServiceBusy(NotNow):
    """The service has too much in hand."""


class DatabaseBusy(NotNow):
    """The database has no time for this now."""


class DatabaseUnavailable(NotNow):
    """The database does not answer."""


class BrokerUnavailable(NotNow):
    """The message broker does not answer."""


class StorageUnavailable(NotNow):
    """The upload store does not answer."""


class WrongStorage(NotNow):
    """The upload store is not the one that this system's files are in."""


class StorageFull(NotNow):
    """The upload store is full."""


class EmptyFile(FileRefused):
    """The file is empty."""


class NotCsv(FileRefused):
    """The file is not CSV."""


class DamagedFile(FileRefused):
    """The compressed file or workbook is damaged, cut off, or protected by a password."""


class TooLargeUnpacked(FileRefused):
    """Unpacked, the file is larger than this service takes."""


class UnknownSheet(FileRefused):
    """The workbook has no such sheet."""


class UnknownEncoding(FileRefused):
    """The given encoding is not known."""


class WrongEncoding(FileRefused):
    """The file is not in the encoding that is given or that its byte order mark says."""


class InvalidDelimiter(FileRefused):
    """The given delimiter cannot be one."""


class InvalidMapping(FileRefused):
    """The given mapping, or the given columns, are not as described."""


class MissingColumns(FileRefused):
    """The header lacks a column."""


class AmbiguousColumns(FileRefused):
    """Several columns could be the same field."""


class UnknownColumn(FileRefused):
    """The mapping names a column that the header lacks."""


class UnlikelyColumns(FileRefused):
    """A column seems to hold something else than it is called."""


class NoHeader(FileRefused):
    """The file begins with somebody's data: say with `columns` which columns it has."""


class HeaderTooLong(FileRefused):
    """The header has more than 16,384 columns or 1 MiB."""


class UnclosedQuote(FileRefused):
    """A quote is opened and never closed."""


class FileChanged(FileRefused):
    """The stored file is not the one that was uploaded."""


class FileMissing(FileRefused):
    """The stored file is gone."""


class TooManyRejects(FileRefused):
    """More rows were rejected than the upload allows."""


class TooManyAbsent(FileRefused):
    """The file lacks more employees than `absentAtMost`: nobody was deactivated."""


class AbsentUnclear(FileRefused):
    """The email of a rejected row cannot be read: nobody was deactivated."""


class NoProgress(FileRefused):
    """Processing was given up after repeated failures."""


class LedgerMismatch(FileRefused):
    """What is on record as done does not fit the file."""


class DraftExpired(FileRefused):
    """Nobody started the draft while it was kept."""
