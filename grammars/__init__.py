"""The grammar of the language, `em.lark`, as package data of `emdsl.grammars`."""
