"""The sections of the report in their order; navigation, progress and charts follow this table."""

from typing import Any

from vog.reporting.section import Section
from vog.reporting.sections.agreement_section import AGREEMENT
from vog.reporting.sections.classes_section import CLASSES
from vog.reporting.sections.columns_section import COLUMNS
from vog.reporting.sections.data_map_section import DATA_MAP
from vog.reporting.sections.errors_section import ERRORS
from vog.reporting.sections.examples_section import EXAMPLES
from vog.reporting.sections.labels_section import LABELS
from vog.reporting.sections.scored_section import SCORED
from vog.reporting.sections.stages_section import STAGES

SECTIONS: tuple[Section[Any], ...] = (
    SCORED,
    EXAMPLES,
    ERRORS,
    DATA_MAP,
    STAGES,
    CLASSES,
    AGREEMENT,
    LABELS,
    COLUMNS,
)
